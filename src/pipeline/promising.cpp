// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/promising.hpp"

#include <algorithm>
#include <numeric>

namespace apq::pipeline {

std::vector<search::Individual> most_promising_first(std::span<const search::Individual> individuals,
                                                     const predictor::Predictor& ensemble,
                                                     double exploration) {
  if (exploration == 0) return {individuals.begin(), individuals.end()};
  std::vector<space::Genome> genomes;
  for (const search::Individual& individual : individuals) genomes.push_back(individual.genome);
  std::vector<double> bound(genomes.size());
  ensemble.spread(genomes, bound);
  for (std::size_t i = 0; i < bound.size(); ++i)
    bound[i] = individuals[i].score.accuracy + exploration * bound[i];
  std::vector<std::size_t> order(bound.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater(), [&](std::size_t i) { return bound[i]; });
  std::vector<search::Individual> sorted;
  for (const std::size_t i : order) sorted.push_back(individuals[i]);
  return sorted;
}

}  // namespace apq::pipeline
