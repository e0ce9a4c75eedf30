// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/search/pareto.hpp"

#include <algorithm>
#include <cmath>

namespace apq::search {
namespace {

bool usable(const Score& score, int metric) {
  return std::isfinite(score.accuracy) && !std::isnan(score.costs[metric]);
}

}  // namespace

bool dominates(const Score& a, const Score& b, int metric) {
  if (!usable(a, metric)) return false;
  if (!usable(b, metric)) return true;
  const double cost_a = a.costs[metric], cost_b = b.costs[metric];
  return a.accuracy >= b.accuracy && cost_a <= cost_b && (a.accuracy > b.accuracy || cost_a < cost_b);
}

// By rising cost, and at equal cost by falling accuracy, a newcomer is dominated unless it raises the best
// accuracy so far or repeats the score that set it.
std::vector<std::size_t> pareto_front(std::span<const Individual> individuals, int metric) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < individuals.size(); ++i)
    if (usable(individuals[i].score, metric)) order.push_back(i);
  std::ranges::sort(order, [&](std::size_t i, std::size_t j) {
    const Individual &a = individuals[i], &b = individuals[j];
    const double cost_a = a.score.costs[metric], cost_b = b.score.costs[metric];
    if (cost_a != cost_b) return cost_a < cost_b;
    if (a.score.accuracy != b.score.accuracy) return a.score.accuracy > b.score.accuracy;
    return a.genome != b.genome ? a.genome < b.genome : i < j;
  });
  std::vector<std::size_t> front;
  for (const std::size_t i : order) {
    const Score& score = individuals[i].score;
    if (!front.empty()) {
      const Score& last = individuals[front.back()].score;
      const bool equal = score.accuracy == last.accuracy && score.costs[metric] == last.costs[metric];
      if (!equal && score.accuracy <= last.accuracy) continue;
    }
    front.push_back(i);
  }
  return front;
}

double hypervolume(std::span<const Individual> individuals, int metric, double reference_accuracy,
                   double reference_cost) {
  double area = 0, below = reference_accuracy;
  for (const std::size_t i : pareto_front(individuals, metric)) {
    const Score& score = individuals[i].score;
    if (score.costs[metric] >= reference_cost || score.accuracy <= below) continue;
    area += (reference_cost - score.costs[metric]) * (score.accuracy - below);
    below = score.accuracy;
  }
  return area;
}

}  // namespace apq::search
