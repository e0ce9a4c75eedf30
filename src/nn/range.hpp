// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>

namespace apq::nn {

struct Range {
  std::int64_t begin, end;
};

/// Part `index` of `parts` of 0..n: the same for the same number of parts, so sums are reproducible.
inline Range part_of(std::int64_t n, int index, int parts) {
  return {n * index / parts, n * (index + 1) / parts};
}

}  // namespace apq::nn
