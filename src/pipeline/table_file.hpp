// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apq/hw/layer_table.hpp"

namespace apq::pipeline {

/// Reads either format. Everything that is wrong (a missing key, a negative or non-finite value, an absent
/// unit, a repeated layer) is appended to `problems`; what is right is in the table. Throws Error(data) for a
/// file that is no table at all.
///
/// Own format, a JSON object: `format` "apq layer table 1"; `device`; `units` {latency, energy} ("ms", "us",
/// "s"; "mJ", "uJ", "J"; energy may be absent when no layer has one); `keys` "shape" or "role"; `containers`
/// "int8" when rows of 8 bits serve all fewer bits; `network` {int8, fp32}, the latency of a network besides
/// its layers; `provenance`, any texts; `layers`, a list of {cin, cout, size, kernel, stride, groups,
/// weight_bits, activation_bits, latency} with energy, role, residual, spread, repeats where they apply. 32
/// bits: floats.
///
/// Public format of the APQ code, a JSON object: "(cin, cout, size, kernel, stride, padding, groups)-W8A8"
/// with {latency in ms, energy in mJ}; "head" and "tail" are the stem and the last convolution on 224 pixels.
hw::LayerTable parse_table(const std::string& text, const std::string& origin,
                           std::vector<std::string>& problems);

std::string table_json(const hw::LayerTable& table);
std::string public_table_json(const hw::LayerTable& table);

}  // namespace apq::pipeline
