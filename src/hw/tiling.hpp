// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <optional>

#include "apq/hw/bitfusion.hpp"

namespace apq::hw {

inline constexpr int kMaxOperandBits = 8;

/// A dense convolution as the array sees it.
struct Convolution {
  int cin, cout, size_out, kernel, stride, weight_bits, activation_bits;
};

/// Products one fused unit computes per cycle (pf): operands of 8 bits give 1, of 4 bits on one side 2, ...
/// An integer division, so 6 bits compute no faster than 8.
int products_per_unit(int weight_bits, int activation_bits);

/// Search over tile sizes and loop orders; nothing when no tile fits.
std::optional<BitFusion::Schedule> best_schedule(const BitFusionOptions& machine, const Convolution& layer);

}  // namespace apq::hw
