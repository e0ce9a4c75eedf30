// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/transfer_data.hpp"

#include <algorithm>
#include <tuple>

#include "apq/core/error.hpp"
#include "apq/core/random.hpp"

namespace apq::pipeline {

TestSplit split_off_test(const space::SearchSpace& space, std::span<const predictor::Pair> pairs,
                         double share, std::uint64_t seed) {
  TestSplit result;
  for (const predictor::Pair& pair : pairs) {
    RandomStream random(seed, Purpose::study_test, space.hash(pair.genome));
    (random.uniform() < share ? result.test : result.pool).push_back(pair);
  }
  return result;
}

std::vector<predictor::Pair> subset(const space::SearchSpace& space, std::span<const predictor::Pair> pool,
                                    std::size_t count, std::uint64_t seed) {
  APQ_ASSERT(count <= pool.size());
  std::vector<std::tuple<double, std::uint64_t, double, std::size_t>> order;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    const std::uint64_t genome = space.hash(pool[i].genome);
    order.emplace_back(RandomStream(seed, Purpose::study_subset, genome).uniform(), genome, pool[i].accuracy,
                       i);
  }
  std::ranges::sort(order);
  std::vector<predictor::Pair> result;
  for (std::size_t k = 0; k < count; ++k) result.push_back(pool[std::get<3>(order[k])]);
  return result;
}

}  // namespace apq::pipeline
