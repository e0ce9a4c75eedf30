// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/search/evolution.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <utility>

#include "apq/core/error.hpp"
#include "search/variation.hpp"

namespace apq::search {
namespace {

/// How often a child (or a first genome) that is over the budget or known is drawn again.
constexpr int kRedraws = 20;
/// Samples tried before one is moved towards the smallest genome: what fits as drawn is an unbiased sample of
/// the networks within the budget.
constexpr int kSamples = 200;

std::vector<space::Genome> genomes_of(std::span<const Individual> individuals) {
  std::vector<space::Genome> genomes;
  genomes.reserve(individuals.size());
  for (const Individual& individual : individuals) genomes.push_back(individual.genome);
  return genomes;
}

std::vector<Individual> unscored(const std::vector<space::Genome>& genomes) {
  std::vector<Individual> individuals;
  for (const space::Genome& genome : genomes) individuals.push_back({genome, {}});
  return individuals;
}

}  // namespace

bool better(const Individual& a, const Individual& b, int metric) {
  if (a.score.accuracy != b.score.accuracy) return a.score.accuracy > b.score.accuracy;
  if (a.score.costs[metric] != b.score.costs[metric]) return a.score.costs[metric] < b.score.costs[metric];
  return a.genome < b.genome;
}

space::Genome random_within(const space::SearchSpace& space, const Evaluator& evaluator, const Budget& budget,
                            const space::Genome& smallest, RandomStream& random) {
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

Evolution::Evolution(const space::SearchSpace& space, Budget budget, const EvolutionOptions& options,
                     std::uint64_t seed, std::uint64_t key)
    : space_(&space), budget_(std::move(budget)), options_(options), seed_(seed), key_(key) {
  const auto known = [](int metric) { return metric >= 0 && metric < kCosts; };
  validate(known(budget_.metric) &&
               std::ranges::all_of(budget_.also, [&](const Bound& b) { return known(b.metric); }),
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

void Evolution::initialise(Evaluator& evaluator, const space::Genome& smallest) {
  std::set<space::Genome> known;
  std::vector<space::Genome> first;
  for (int slot = 0; slot < options_.population; ++slot) {
    RandomStream random(seed_, Purpose::population, key_, static_cast<std::uint64_t>(slot));
    for (int attempt = 0; attempt < kRedraws; ++attempt) {
      space::Genome genome = random_within(*space_, evaluator, budget_, smallest, random);
      if (!known.insert(genome).second) continue;
      first.push_back(std::move(genome));
      break;
    }
  }
  std::vector<Individual> individuals = unscored(first);
  score(evaluator, individuals);
  generation_ = 0;
  keep_best(std::move(individuals));
}

void Evolution::step(Evaluator& evaluator) {
  std::vector<Individual> next = children(evaluator);
  score(evaluator, next);
  std::ranges::move(elites(), std::back_inserter(next));
  ++generation_;
  keep_best(std::move(next));
}

void Evolution::rescore(Evaluator& evaluator) {
  std::vector<Individual> individuals = population_;
  score(evaluator, individuals);
  keep_best(std::move(individuals));
}

void Evolution::set_population(std::vector<Individual> population, std::int64_t generation) {
  generation_ = generation;
  keep_best(std::move(population));
}

std::vector<Individual> Evolution::emigrants(int count) const {
  const std::size_t n = std::min(population_.size(), static_cast<std::size_t>(std::max(count, 0)));
  return {population_.begin(), population_.begin() + static_cast<std::ptrdiff_t>(n)};
}

void Evolution::immigrate(std::span<const Individual> immigrants) {
  std::vector<Individual> candidates = population_;
  candidates.insert(candidates.end(), immigrants.begin(), immigrants.end());
  keep_best(std::move(candidates));
}

bool Evolution::within(const Evaluator& evaluator, const space::Genome& genome) const {
  return budget_.holds([&](int metric) { return evaluator.cost(genome, metric); });
}

std::vector<Individual> Evolution::elites() const { return emigrants(options_.elites); }

std::vector<Individual> Evolution::children(const Evaluator& evaluator) const {
  const std::vector<space::Genome> parents = genomes_of(elites());
  const std::vector<space::Genome> present = genomes_of(population_);
  std::set<space::Genome> known(present.begin(), present.end());
  std::vector<space::Genome> born;
  for (int slot = 0; slot < options_.mutants + options_.crossovers; ++slot) {
    RandomStream random(seed_, Purpose::variation, key_, static_cast<std::uint64_t>(generation_),
                        static_cast<std::uint64_t>(slot));
    for (int attempt = 0; attempt <= kRedraws; ++attempt) {
      const bool last = attempt == kRedraws;
      space::Genome child = draw_child(evaluator, parents, slot, last || slot % 2 == 1, random);
      if (!within(evaluator, child) || !known.insert(child).second) continue;
      born.push_back(std::move(child));
      break;
    }
  }
  return unscored(born);
}

// Drawing again whatever is over the budget starves the search of deeper networks when the budget is tight:
// a new block fits only if others shrink. So every second child is shrunk instead.
space::Genome Evolution::draw_child(const Evaluator& evaluator, const std::vector<space::Genome>& parents,
                                    int slot, bool shrink, RandomStream& random) const {
  const auto count = static_cast<std::uint32_t>(parents.size());
  const std::uint32_t first = random.below(count);
  const std::uint32_t second = count > 1 ? (first + 1 + random.below(count - 1)) % count : first;
  space::Genome child = slot < options_.mutants
                            ? mutate(*space_, parents[first], options_.mutation_rate, random)
                            : crossover(*space_, parents[first], parents[second], random);
  if (!shrink) return child;
  const auto fits = [&](const space::Genome& g) { return within(evaluator, g); };
  return move_towards(*space_, std::move(child), space_->smallest(), fits, random);
}

void Evolution::score(Evaluator& evaluator, std::span<Individual> individuals) const {
  const std::vector<space::Genome> genomes = genomes_of(individuals);
  std::vector<Score> scores(genomes.size());
  evaluator.evaluate(genomes, scores);
  for (std::size_t i = 0; i < scores.size(); ++i) individuals[i].score = scores[i];
}

void Evolution::keep_best(std::vector<Individual> candidates) {
  for (Individual& candidate : candidates) candidate.genome = space_->canonical(candidate.genome);
  std::erase_if(candidates, [&](const Individual& candidate) {
    return !std::isfinite(candidate.score.accuracy) || !budget_.holds(candidate.score);
  });
  validate(!candidates.empty(), ErrorKind::numeric,
           "no network is left for budget {} (every accuracy is no number or every cost over the limit {}) "
           "look at the predictor and the budget",
           budget_.name, budget_.limit);
  std::ranges::stable_sort(
      candidates, [&](const Individual& a, const Individual& b) { return better(a, b, budget_.metric); });
  std::set<space::Genome> known;
  std::erase_if(candidates, [&](const Individual& c) { return !known.insert(c.genome).second; });
  if (candidates.size() > static_cast<std::size_t>(options_.population))
    candidates.resize(static_cast<std::size_t>(options_.population));
  population_ = std::move(candidates);
}

}  // namespace apq::search
