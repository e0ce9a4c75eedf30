// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <span>

namespace apq::quant {

/// Below this many bits the full range wastes levels on rare values, and the clip is searched.
inline constexpr int kSearchBelowBits = 5;

/// The clip among 0.2, 0.22, ... 1 of `largest` that quantizes `values` with the least
/// squared error.
float best_clip(std::span<const float> values, float largest, int bits, bool is_signed);

}  // namespace apq::quant
