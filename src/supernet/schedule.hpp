// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace apq::supernet {

/// Data-order streams of supernet training and of all quantization-aware training, whose other orders follow.
inline constexpr std::uint64_t kSupernetStream = 0, kQatStream = 1;

/// Linear ramp over the first 2 %, then cosine to zero.
inline double learning_rate(double peak, std::int64_t step, std::int64_t steps) {
  const double ramp = std::max(1.0, 0.02 * static_cast<double>(steps));
  const double progress = static_cast<double>(step) / static_cast<double>(steps);
  const double rise = std::min(1.0, (static_cast<double>(step) + 1) / ramp);
  return peak * rise * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

struct BatchPosition {
  std::int64_t epoch, batch;
};
/// Which batch rank `rank` takes at a step: the ranks of a step take consecutive batches.
inline BatchPosition batch_position(std::int64_t step, int rank, int ranks, std::int64_t batches_per_epoch) {
  const std::int64_t index = step * ranks + rank;
  return {index / batches_per_epoch, index % batches_per_epoch};
}

}  // namespace apq::supernet
