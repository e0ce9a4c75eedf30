// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "apq/search/evaluator.hpp"
#include "apq/space/search_space.hpp"

namespace apq::search {

/// A hard upper limit of one cost.
struct Bound {
  int metric = 0;  ///< index into Score::costs
  double limit = 0;
};

/// Hard limits: of one cost, by which equally accurate networks are told apart, and of any others.
struct Budget {
  int metric = 0;  ///< index into Score::costs
  double limit = 0;
  std::string name;  ///< "latency_ms<=1.2", "latency_ms<=1.2 and size_kib<=60"
  /// Where a front below the limit is wanted: the next lower limit of the same cost, or the smallest
  /// reachable cost. Negative: only the limit counts.
  double floor = -1;
  std::vector<Bound> also = {};

  /// cost_of(metric) gives a network's costs.
  template <class CostOf>
  bool holds(CostOf cost_of) const {
    const auto within = [&](const Bound& b) { return cost_of(b.metric) <= b.limit; };
    return within({metric, limit}) && std::all_of(also.begin(), also.end(), within);
  }
  bool holds(const Score& score) const {
    return holds([&](int m) { return score.costs[static_cast<std::size_t>(m)]; });
  }
};

struct Individual {
  space::Genome genome;  ///< canonical
  Score score;
};

/// The order of a population for a budget on cost `metric`: higher accuracy, then lower cost, then genome.
bool better(const Individual& a, const Individual& b, int metric);

struct EvolutionOptions {
  int population = 100;        ///< genomes kept per island and budget
  int elites = 25;             ///< parents, kept unchanged
  int mutants = 50;            ///< children by mutation per generation
  int crossovers = 50;         ///< children by crossover per generation
  double mutation_rate = 0.1;  ///< per block (all its genes are redrawn) and per stage depth
};

/// Constrained evolution for one budget (APQ section 3.4), corrected: bits are seen by the evaluator,
/// crossover children are kept, depth mutates and crosses over. Every draw is keyed by (seed, purpose, key,
/// generation, slot), so that a population is a pure function of its inputs. Survivors: elites, then the best
/// children; no genome twice, none over the budget, none whose accuracy is no number. A child that is over
/// the budget or known already is drawn again a few times; every second one is first moved towards the
/// smallest network until it fits, and so is the last draw.
class Evolution {
 public:
  /// `key` tells populations apart (island and budget). Throws Error(usage) for options that make no sense.
  Evolution(const space::SearchSpace& space, Budget budget, const EvolutionOptions& options,
            std::uint64_t seed, std::uint64_t key);

  /// Random genomes within the budget. `smallest` is a genome that meets it: when sampling does not (tight
  /// budgets), samples are moved towards it gene by gene until they do. Throws Error(usage) when it does not.
  void initialise(Evaluator& evaluator, const space::Genome& smallest);
  /// One generation: children, scoring (a single call of the evaluator), survival.
  void step(Evaluator& evaluator);
  /// Scores everybody again (after a new predictor).
  void rescore(Evaluator& evaluator);

  /// Best first; ties broken by genome so that order never depends on history.
  const std::vector<Individual>& population() const { return population_; }
  /// Continues from a saved population: the same generations follow.
  void set_population(std::vector<Individual> population, std::int64_t generation);
  std::int64_t generation() const { return generation_; }
  const Budget& budget() const { return budget_; }

  /// The best `count` individuals, as migrants.
  std::vector<Individual> emigrants(int count) const;
  /// Immigrants replace the worst if they are new, better and within the budget.
  void immigrate(std::span<const Individual> immigrants);

 private:
  bool within(const Evaluator& evaluator, const space::Genome& genome) const;
  std::vector<Individual> elites() const;
  std::vector<Individual> children(const Evaluator& evaluator) const;
  space::Genome draw_child(const Evaluator& evaluator, const std::vector<space::Genome>& parents, int slot,
                           bool shrink, RandomStream& random) const;
  void score(Evaluator& evaluator, std::span<Individual> individuals) const;
  void keep_best(std::vector<Individual> candidates);

  const space::SearchSpace* space_;
  Budget budget_;
  EvolutionOptions options_;
  std::uint64_t seed_;
  std::uint64_t key_;
  std::int64_t generation_ = 0;
  std::vector<Individual> population_;
};

/// A random valid genome within the budget: drawn until one fits, and where none of many does, the last one
/// is moved towards `smallest` until it fits. Throws Error(usage) when `smallest` itself is over the budget.
space::Genome random_within(const space::SearchSpace& space, const Evaluator& evaluator, const Budget& budget,
                            const space::Genome& smallest, RandomStream& random);

}  // namespace apq::search
