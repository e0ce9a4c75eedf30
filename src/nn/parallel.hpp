// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "apq/nn/buffer.hpp"
#include "apq/nn/ops.hpp"
#include "nn/range.hpp"

namespace apq::nn {

/// body(part, range, scratch) on each thread's share of 0..n; `scratch` floats for each thread.
template <class Body>
void parallel(std::int64_t n, std::int64_t scratch, Body body) {
  static thread_local Scratch<float> memory;
  const int parts = static_cast<int>(std::min<std::int64_t>(threads(), std::max<std::int64_t>(n, 1)));
  float* all = memory.get(static_cast<std::size_t>(scratch) * parts);
  if (parts == 1) {
    body(0, Range{0, n}, all);
    return;
  }
#pragma omp parallel num_threads(parts)
  {
    // The runtime may grant fewer threads than asked for.
    for (int part = omp_get_thread_num(); part < parts; part += omp_get_num_threads())
      body(part, part_of(n, part, parts), all + scratch * part);
  }
}

/// What one of the threads does that take some images through a network together.
struct Share {
  int part, parts;

  Range of(std::int64_t n) const { return part_of(n, part, parts); }
  /// All threads reach this before any goes on. With parts > 1 these are all threads of the parallel region.
  void wait() const {
    if (parts > 1) {
#pragma omp barrier
    }
  }
};

/// Per-channel double sums of every thread, added up in thread order.
class ChannelSums {
 public:
  explicit ChannelSums(int channels)
      : channels_(channels), sums_(static_cast<std::size_t>(2) * channels * threads(), 0.0) {}
  double* first(int part) { return sums_.data() + static_cast<std::size_t>(2) * channels_ * part; }
  double* second(int part) { return first(part) + channels_; }
  void reduce() {
    for (std::size_t i = 2 * static_cast<std::size_t>(channels_); i < sums_.size(); ++i)
      sums_[i % (2 * static_cast<std::size_t>(channels_))] += sums_[i];
  }

 private:
  int channels_;
  std::vector<double> sums_;
};

}  // namespace apq::nn
