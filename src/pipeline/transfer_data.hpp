// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "apq/predictor/predictor.hpp"
#include "apq/space/search_space.hpp"

namespace apq::pipeline {

/// Int8 pairs that a study may train on, and those it only tests on.
struct TestSplit {
  std::vector<predictor::Pair> pool, test;
};
/// Which side a pair is on depends on seed and genome alone, so that equal networks are on the same.
TestSplit split_off_test(const space::SearchSpace& space, std::span<const predictor::Pair> pairs,
                         double share, std::uint64_t seed);

/// `count` pairs drawn without replacement, by seed and genome. Smaller subsets are part of larger ones, and
/// the order of the pool does not matter.
std::vector<predictor::Pair> subset(const space::SearchSpace& space, std::span<const predictor::Pair> pool,
                                    std::size_t count, std::uint64_t seed);

}  // namespace apq::pipeline
