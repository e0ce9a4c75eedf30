// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "apq/predictor/predictor.hpp"

namespace apq::predictor {

struct Split {
  std::vector<Pair> training, held_out;
};
/// Whether a pair is held out depends on seed and genome only; fewer than 10 pairs, or held-out ones fewer
/// than 2, are all on both sides.
Split split(const space::SearchSpace& space, std::span<const Pair> pairs, double share, std::uint64_t seed);

}  // namespace apq::predictor
