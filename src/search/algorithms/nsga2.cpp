// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "search/algorithms/registry.hpp"
#include "search/genome_set.hpp"
#include "search/variation.hpp"

namespace apq::search {
namespace {

/// NSGA-II (Deb et al., IEEE TEC 2002): accuracy up, any costs down. Networks over the budget may live, but
/// whoever is within it dominates them, and among them whoever exceeds it less (constraint domination).
class Nsga2 final : public Algorithm {
 public:
  Nsga2(const space::SearchSpace& space, Budget budget, const EvolutionOptions& options, std::uint64_t seed,
        std::uint64_t key)
      : Algorithm(space, std::move(budget), options, seed, key) {
    if (options_.objectives.empty()) options_.objectives = {budget_.metric};
  }

  /// Somebody within the budget must be among the first.
  std::vector<space::Genome> first(const Evaluator& evaluator) const override {
    std::vector<space::Genome> genomes = Algorithm::first(evaluator);
    const space::Genome least = space_->canonical(budget_.smallest);
    if (std::ranges::find(genomes, least) == genomes.end()) genomes.back() = least;
    return genomes;
  }

  std::vector<space::Genome> children(const Evaluator&) const override {
    const int slots = options_.mutants + options_.crossovers;
    GenomeSet known(population_.size() + static_cast<std::size_t>(slots));
    for (const Individual& individual : population_) known.insert(individual.genome);
    std::vector<space::Genome> born;
    space::Genome child, crossed;
    for (int slot = 0; slot < slots; ++slot) {
      RandomStream random(seed_, Purpose::variation, key_, static_cast<std::uint64_t>(generation_),
                          static_cast<std::uint64_t>(slot));
      for (int attempt = 0; attempt <= kRedraws; ++attempt) {
        if (slot < options_.mutants) {
          mutate(*space_, winner(random), options_.mutation_rate, random, child);
        } else {
          crossover(*space_, winner(random), winner(random), random, crossed);
          mutate(*space_, crossed, options_.mutation_rate, random, child);
        }
        if (!known.insert(child)) continue;
        born.push_back(child);
        break;
      }
    }
    return born;
  }

 private:
  /// Binary tournament; the population is in order.
  const space::Genome& winner(RandomStream& random) const {
    const auto count = static_cast<std::uint32_t>(population_.size());
    const std::uint32_t a = random.below(count), b = random.below(count);
    return population_[std::min(a, b)].genome;
  }

  /// Sum over the bounds of the share by which they are exceeded; 0 within the budget.
  double violation(const Score& score) const {
    const auto excess = [&](const Bound& bound) {
      const double cost = score.costs[static_cast<std::size_t>(bound.metric)];
      return cost <= bound.limit ? 0 : (cost - bound.limit) / bound.limit;
    };
    double sum = excess({budget_.metric, budget_.limit});
    for (const Bound& bound : budget_.also) sum += excess(bound);
    return sum;
  }

  /// Objective 0 is accuracy, upside down; all are minimised.
  double objective(const Individual& individual, std::size_t index) const {
    return index == 0 ? -individual.score.accuracy
                      : individual.score.costs[static_cast<std::size_t>(options_.objectives[index - 1])];
  }
  std::size_t objectives() const { return options_.objectives.size() + 1; }

  bool dominates(const Individual& a, const Individual& b, double violation_a, double violation_b) const {
    if (violation_a != violation_b) return violation_a < violation_b;
    bool less = false;
    for (std::size_t o = 0; o < objectives(); ++o) {
      const double x = objective(a, o), y = objective(b, o);
      if (x > y) return false;
      less = less || x < y;
    }
    return less;
  }

  /// Number of the front of everybody: 0 for those nobody dominates, 1 for those only these dominate, ...
  std::vector<int> fronts(const std::vector<Individual>& individuals) const {
    const std::size_t n = individuals.size();
    std::vector<double> violations(n);
    for (std::size_t i = 0; i < n; ++i) violations[i] = violation(individuals[i].score);
    std::vector<std::vector<std::size_t>> below(n);
    std::vector<int> above(n, 0), front(n, 0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        if (i != j && dominates(individuals[i], individuals[j], violations[i], violations[j])) {
          below[i].push_back(j);
          ++above[j];
        }
    std::vector<std::size_t> now, next;
    for (std::size_t i = 0; i < n; ++i)
      if (above[i] == 0) now.push_back(i);
    for (int number = 0; !now.empty(); ++number, now.swap(next), next.clear())
      for (const std::size_t i : now) {
        front[i] = number;
        for (const std::size_t j : below[i])
          if (--above[j] == 0) next.push_back(j);
      }
    return front;
  }

  /// Half the sides of the box to the neighbours in the front, as shares of its extent; the ends are free.
  std::vector<double> crowding(const std::vector<Individual>& individuals,
                               const std::vector<int>& front) const {
    const std::size_t n = individuals.size();
    std::vector<double> distance(n, 0);
    std::vector<std::size_t> order(n);
    for (std::size_t o = 0; o < objectives(); ++o) {
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::ranges::sort(order, [&](std::size_t i, std::size_t j) {
        if (front[i] != front[j]) return front[i] < front[j];
        const double x = objective(individuals[i], o), y = objective(individuals[j], o);
        return x != y ? x < y : individuals[i].genome < individuals[j].genome;
      });
      for (std::size_t begin = 0, end = 1; begin < n; begin = end) {
        end = begin + 1;
        while (end < n && front[order[end]] == front[order[begin]]) ++end;
        const double extent =
            objective(individuals[order[end - 1]], o) - objective(individuals[order[begin]], o);
        distance[order[begin]] = distance[order[end - 1]] = std::numeric_limits<double>::infinity();
        for (std::size_t i = begin + 1; i + 1 < end && extent > 0; ++i)
          distance[order[i]] +=
              (objective(individuals[order[i + 1]], o) - objective(individuals[order[i - 1]], o)) / extent;
      }
    }
    return distance;
  }

  void rank(std::vector<Individual>& candidates) const override {
    const std::vector<int> front = fronts(candidates);
    const std::vector<double> distance = crowding(candidates, front);
    std::vector<std::size_t> order(candidates.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, [&](std::size_t i, std::size_t j) {
      if (front[i] != front[j]) return front[i] < front[j];
      if (distance[i] != distance[j]) return distance[i] > distance[j];
      return better(candidates[i], candidates[j], budget_.metric);
    });
    std::vector<Individual> ranked;
    for (const std::size_t i : order) ranked.push_back(std::move(candidates[i]));
    candidates = std::move(ranked);
  }
};

}  // namespace

std::unique_ptr<Algorithm> make_nsga2(const space::SearchSpace& space, Budget budget,
                                      const EvolutionOptions& options, std::uint64_t seed,
                                      std::uint64_t key) {
  return std::make_unique<Nsga2>(space, std::move(budget), options, seed, key);
}

}  // namespace apq::search
