// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/search/algorithm.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "apq/core/error.hpp"
#include "search/algorithms/registry.hpp"
#include "search/genome_set.hpp"
#include "search/variation.hpp"

namespace apq::search {
namespace {

/// Samples tried before one is moved towards the smallest genome: what fits as drawn is an unbiased sample of
/// the networks within the budget.
constexpr int kSamples = 200;

std::vector<Individual> scored(Evaluator& evaluator, std::vector<space::Genome> genomes) {
  std::vector<Score> scores(genomes.size());
  evaluator.evaluate(genomes, scores);
  std::vector<Individual> individuals;
  individuals.reserve(genomes.size());
  for (std::size_t i = 0; i < genomes.size(); ++i) individuals.push_back({std::move(genomes[i]), scores[i]});
  return individuals;
}

struct Entry {
  const char* name;
  Maker* make;
};
constexpr Entry kAlgorithms[] = {
#define APQ_ENTRY(name) {#name, make_##name},
    APQ_SEARCH_ALGORITHMS(APQ_ENTRY)
#undef APQ_ENTRY
};

space::Genome smallest_of(const space::SearchSpace& space, const Budget& budget) {
  return budget.smallest.blocks.empty() ? space.smallest() : budget.smallest;
}

}  // namespace

bool better(const Individual& a, const Individual& b, int metric) {
  if (a.score.accuracy != b.score.accuracy) return a.score.accuracy > b.score.accuracy;
  if (a.score.costs[metric] != b.score.costs[metric]) return a.score.costs[metric] < b.score.costs[metric];
  return a.genome < b.genome;
}

space::Genome random_within(const space::SearchSpace& space, const Evaluator& evaluator, const Budget& budget,
                            RandomStream& random) {
  const space::Genome smallest = smallest_of(space, budget);
  const auto fits = [&](const space::Genome& g) {
    return budget.holds([&](int metric) { return evaluator.cost(g, metric); });
  };
  space::Genome genome = space.sample(random);
  for (int attempt = 0; attempt < kSamples && !fits(genome); ++attempt) genome = space.sample(random);
  genome = move_towards(space, std::move(genome), smallest, fits, random);
  validate(fits(genome), ErrorKind::usage,
           "budget {} cannot be met (the smallest network costs {}, the limit is {}) raise the limit",
           budget.name, evaluator.cost(smallest, budget.metric), budget.limit);
  return genome;
}

Algorithm::Algorithm(const space::SearchSpace& space, Budget budget, const EvolutionOptions& options,
                     std::uint64_t seed, std::uint64_t key)
    : space_(&space), budget_(std::move(budget)), options_(options), seed_(seed), key_(key) {
  budget_.smallest = smallest_of(space, budget_);
  const auto known = [](int metric) { return metric >= 0 && metric < kCosts; };
  validate(known(budget_.metric) &&
               std::ranges::all_of(budget_.also, [&](const Bound& b) { return known(b.metric); }) &&
               std::ranges::all_of(options_.objectives, known),
           ErrorKind::usage, "budget {} is on cost {} (there are {}) name another metric", budget_.name,
           budget_.metric, kCosts);
  validate(options_.elites >= 1 && options_.population >= options_.elites, ErrorKind::usage,
           "population = {}, elites = {} (population >= elites >= 1 is needed) change one",
           options_.population, options_.elites);
  validate(options_.mutants >= 0 && options_.crossovers >= 0 && options_.mutants + options_.crossovers > 0,
           ErrorKind::usage, "mutants = {}, crossovers = {} (a generation needs children) raise one",
           options_.mutants, options_.crossovers);
  validate(options_.mutation_rate > 0 && options_.mutation_rate <= 1, ErrorKind::usage,
           "mutation_rate = {} (above 0 and at most 1 is needed) change it", options_.mutation_rate);
}

std::vector<space::Genome> Algorithm::first(const Evaluator& evaluator) const {
  GenomeSet known(static_cast<std::size_t>(options_.population));
  std::vector<space::Genome> first;
  for (int slot = 0; slot < options_.population; ++slot) {
    RandomStream random(seed_, Purpose::population, key_, static_cast<std::uint64_t>(slot));
    for (int attempt = 0; attempt < kRedraws; ++attempt) {
      space::Genome genome = random_within(*space_, evaluator, budget_, random);
      if (!known.insert(genome)) continue;
      first.push_back(std::move(genome));
      break;
    }
  }
  return first;
}

void Algorithm::accept(std::vector<Individual> children) {
  const auto kept = population_.begin() + static_cast<std::ptrdiff_t>(parents_kept());
  children.insert(children.end(), std::move_iterator(population_.begin()), std::move_iterator(kept));
  set_population(std::move(children), generation_ + 1);
}

void Algorithm::set_population(std::vector<Individual> candidates, std::int64_t generation) {
  GenomeSet known(candidates.size());
  std::erase_if(candidates, [&](Individual& candidate) {
    space_->canonicalise(candidate.genome);
    return !usable(candidate.score) || !known.insert(candidate.genome);
  });
  rank(candidates);
  validate(!candidates.empty() && budget_.holds(candidates.front().score), ErrorKind::numeric,
           "no network is left for budget {} (every accuracy is no number or every cost over the limit {}) "
           "look at the predictor and the budget",
           budget_.name, budget_.limit);
  if (candidates.size() > static_cast<std::size_t>(options_.population))
    candidates.resize(static_cast<std::size_t>(options_.population));
  population_ = std::move(candidates);
  generation_ = generation;
}

void Algorithm::restore(std::vector<Individual> population, std::int64_t generation) {
  validate(!population.empty(), ErrorKind::checkpoint, "a saved population is empty start the search afresh");
  population_ = std::move(population);
  generation_ = generation;
}

void Algorithm::initialise(Evaluator& evaluator) { set_population(scored(evaluator, first(evaluator)), 0); }

void Algorithm::step(Evaluator& evaluator) { accept(scored(evaluator, children(evaluator))); }

void Algorithm::rescore(Evaluator& evaluator) {
  std::vector<space::Genome> genomes;
  for (const Individual& individual : population_) genomes.push_back(individual.genome);
  set_population(scored(evaluator, std::move(genomes)), generation_);
}

std::vector<Individual> Algorithm::emigrants(int count) const {
  std::vector<Individual> best;
  for (const Individual& individual : population_) {
    if (static_cast<int>(best.size()) >= count || !budget_.holds(individual.score)) break;
    best.push_back(individual);
  }
  return best;
}

void Algorithm::immigrate(std::span<const Individual> immigrants) {
  std::vector<Individual> candidates = population_;
  candidates.insert(candidates.end(), immigrants.begin(), immigrants.end());
  set_population(std::move(candidates), generation_);
}

void Algorithm::rank(std::vector<Individual>& candidates) const {
  std::erase_if(candidates, [&](const Individual& candidate) { return !budget_.holds(candidate.score); });
  std::ranges::sort(candidates,
                    [&](const Individual& a, const Individual& b) { return better(a, b, budget_.metric); });
}

bool Algorithm::usable(const Score& score) const {
  const auto number = [&](int metric) { return !std::isnan(score.costs[static_cast<std::size_t>(metric)]); };
  return std::isfinite(score.accuracy) && number(budget_.metric) &&
         std::ranges::all_of(budget_.also, number, &Bound::metric) &&
         std::ranges::all_of(options_.objectives, number);
}

bool Algorithm::within(const Evaluator& evaluator, const space::Genome& genome) const {
  return budget_.holds([&](int metric) { return evaluator.cost(genome, metric); });
}

std::unique_ptr<Algorithm> make_algorithm(const std::string& name, const space::SearchSpace& space,
                                          Budget budget, const EvolutionOptions& options, std::uint64_t seed,
                                          std::uint64_t key) {
  const auto* found =
      std::ranges::find_if(kAlgorithms, [&](const Entry& entry) { return entry.name == name; });
  validate(found != std::end(kAlgorithms), ErrorKind::usage,
           "search algorithm \"{}\" is unknown (there are {}) choose one of these", name,
           fmt::join(algorithms(), ", "));
  return found->make(space, std::move(budget), options, seed, key);
}

std::vector<std::string> algorithms() {
  std::vector<std::string> names;
  for (const Entry& entry : kAlgorithms) names.emplace_back(entry.name);
  return names;
}

}  // namespace apq::search
