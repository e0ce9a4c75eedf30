// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
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
  /// A network within all limits, towards which those over them are moved. Empty: the space's smallest.
  space::Genome smallest = {};

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
  int population = 100;           ///< genomes kept per island and budget
  int elites = 25;                ///< parents, kept unchanged
  int mutants = 50;               ///< children by mutation per generation
  int crossovers = 50;            ///< children by crossover per generation
  double mutation_rate = 0.1;     ///< per block (all its genes are redrawn) and per stage depth
  std::vector<int> objectives{};  ///< costs that nsga2 minimises beside accuracy; none: the budget's
};

/// A search method: one population for one budget. The loop is the same for all: `first` or `children` are
/// scored by somebody, and `accept` decides who lives on. Every draw is keyed by (seed, purpose, key,
/// generation, slot) and nothing is remembered but the population, so that a population is a pure function of
/// its inputs and continues from a saved one.
class Algorithm {
 public:
  /// `key` tells populations apart (island and budget). Throws Error(usage) for options that make no sense.
  Algorithm(const space::SearchSpace& space, Budget budget, const EvolutionOptions& options,
            std::uint64_t seed, std::uint64_t key);
  virtual ~Algorithm() = default;

  /// The first population: random genomes within the budget, canonical, none twice. When sampling does
  /// not meet it (tight budgets), samples are moved towards its smallest network gene by gene until they do.
  /// Throws Error(usage) when that one does not.
  virtual std::vector<space::Genome> first(const Evaluator& evaluator) const;
  /// The next generation's genomes: canonical, none twice, none of the present population.
  virtual std::vector<space::Genome> children(const Evaluator& evaluator) const = 0;
  /// The children with their scores; ends the generation.
  void accept(std::vector<Individual> children);
  /// Whoever of these may live becomes the population: after `first` was scored or after a migration.
  void set_population(std::vector<Individual> candidates, std::int64_t generation);
  /// A saved population as it was, order included.
  void restore(std::vector<Individual> population, std::int64_t generation);

  /// The same with a call of the evaluator each.
  void initialise(Evaluator& evaluator);
  void step(Evaluator& evaluator);
  void rescore(Evaluator& evaluator);

  /// Best first, in the method's own order; ties broken by genome so that order never depends on history.
  /// Whoever is over the budget comes last; somebody never is.
  const std::vector<Individual>& population() const { return population_; }
  std::int64_t generation() const { return generation_; }
  const Budget& budget() const { return budget_; }
  /// Moves the budget's limit. It must not fall below the cost of the present best.
  void set_limit(double limit) { budget_.limit = limit; }

  /// The first `count` of the population that are within the budget.
  std::vector<Individual> emigrants(int count) const;
  /// Immigrants compete with the population for its places.
  void immigrate(std::span<const Individual> immigrants);

 protected:
  /// Who lives on of these (canonical, none twice, all scores finite), best first; not cut to size yet. Here:
  /// those within the budget by `better`.
  virtual void rank(std::vector<Individual>& candidates) const;
  /// How many of the population compete with their children.
  virtual std::size_t parents_kept() const { return population_.size(); }
  bool within(const Evaluator& evaluator, const space::Genome& genome) const;
  /// Accuracy and every cost that selection looks at are numbers.
  bool usable(const Score& score) const;

  const space::SearchSpace* space_;
  Budget budget_;  ///< its smallest network is set
  EvolutionOptions options_;
  std::uint64_t seed_;
  std::uint64_t key_;
  std::int64_t generation_ = 0;
  std::vector<Individual> population_;
};

/// "evolution", "nsga2", "random"; throws Error(usage) listing the names.
std::unique_ptr<Algorithm> make_algorithm(const std::string& name, const space::SearchSpace& space,
                                          Budget budget, const EvolutionOptions& options, std::uint64_t seed,
                                          std::uint64_t key);
std::vector<std::string> algorithms();

/// A random valid genome within the budget: drawn until one fits, and where none of many does, the last one
/// is moved towards the budget's smallest until it fits. Throws Error(usage) when that one is over the
/// budget.
space::Genome random_within(const space::SearchSpace& space, const Evaluator& evaluator, const Budget& budget,
                            RandomStream& random);

}  // namespace apq::search
