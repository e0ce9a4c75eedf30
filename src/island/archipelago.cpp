// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/island/archipelago.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "apq/island/topology.hpp"
#include "island/policies/registry.hpp"

namespace apq::island {
namespace {

std::vector<space::Genome> genomes_of(const Individuals& individuals) {
  std::vector<space::Genome> genomes;
  for (const search::Individual& individual : individuals) genomes.push_back(individual.genome);
  return genomes;
}

}  // namespace

std::vector<std::string> modes() { return {"synchronous", "asynchronous"}; }

double Archipelago::limit_of(const search::Budget& budget, int island, std::int64_t round,
                             std::int64_t rounds) const {
  if (!options_.spread || budget.floor < 0) return budget.limit;
  const std::int64_t below = island == 0 && rounds > 1 ? 1 : 0;
  const double share = static_cast<double>(round - below) / static_cast<double>(rounds - below);
  return budget.floor + (budget.limit - budget.floor) * (island + share) / options_.islands;
}

Archipelago::Archipelago(comm::Communicator& comm, const space::SearchSpace& space,
                         std::vector<search::Budget> budgets, const search::EvolutionOptions& evolution,
                         const ArchipelagoOptions& options, std::uint64_t seed, const std::string& algorithm)
    : comm_(&comm),
      space_(&space),
      budgets_(std::move(budgets)),
      options_(options),
      seed_(seed),
      algorithm_(algorithm),
      sent_(static_cast<std::size_t>(comm.size())),
      received_(sent_) {
  validate(options_.islands >= 1, ErrorKind::usage, "islands = {} (at least 1 is needed) raise it",
           options_.islands);
  validate(options_.migration_interval >= 0 && options_.migrants >= 0, ErrorKind::usage,
           "migration_interval = {}, migrants = {} (neither may be negative) raise it",
           options_.migration_interval, options_.migrants);
  validate(std::ranges::count(modes(), options_.mode) == 1, ErrorKind::usage,
           "islands run in mode \"{}\" (there are synchronous and asynchronous) choose one", options_.mode);
  validate(!budgets_.empty(), ErrorKind::usage, "there is no budget (the search needs one) name one");
  selection_from_name(options_.selection);
  replacement_from_name(options_.replacement);
  for (int id = 0; id < options_.islands; ++id)
    targets_.push_back(neighbours(options_.topology, id, options_.islands, seed));
  for (int id = 0; id < options_.islands; ++id) {
    if (host(id) != comm.rank()) {
      const auto comes_here = [&](int target) { return host(target) == comm.rank(); };
      if (std::ranges::any_of(targets_[static_cast<std::size_t>(id)], comes_here))
        sources_[host(id)].push_back(id);
      continue;
    }
    Island island{id, {}, {}, {}};
    for (std::size_t b = 0; b < budgets_.size(); ++b)
      island.populations.push_back(
          {search::make_algorithm(algorithm, space, budgets_[b], evolution, seed, population_key(id, b)),
           search::Front(budgets_[b].metric)});
    islands_.push_back(std::move(island));
  }
  open(1, 1);
}

void Archipelago::open(std::int64_t round, std::int64_t rounds) {
  for (Island& island : islands_)
    for (std::size_t b = 0; b < budgets_.size(); ++b)
      island.populations[b].algorithm->set_limit(limit_of(budgets_[b], island.id, round, rounds));
}

std::int64_t Archipelago::generation() const {
  if (islands_.empty()) return idle_generation_;
  return std::ranges::min_element(islands_, {}, &Island::generation)->generation();
}

void Archipelago::offer(Population& population, const Individuals& individuals, std::int64_t generation) {
  for (const search::Individual& individual : individuals)
    if (population.algorithm->budget().holds(individual.score) && std::isfinite(individual.score.accuracy))
      population.front.offer(individual, generation);
}

void Archipelago::initialise(search::Evaluator& evaluator) {
  idle_generation_ = 0;
  recall();
  std::vector<std::vector<space::Genome>> batches;
  for (Island& island : islands_)
    for (std::size_t b = 0; b < budgets_.size(); ++b)
      batches.push_back(island.populations[b].algorithm->first(evaluator));
  auto scored = scorer_.score(evaluator, std::move(batches));
  auto next = scored.begin();
  for (Island& island : islands_) {
    island.rows.clear();
    for (Population& population : island.populations) {
      population.algorithm->set_population(*next, 0);
      population.front = search::Front(population.algorithm->budget().metric);
      offer(population, *next++, 0);
    }
    record(island);
  }
}

void Archipelago::step(search::Evaluator& evaluator) {
  const std::int64_t now = generation();
  std::vector<Island*> due;
  for (Island& island : islands_)
    if (island.generation() == now) due.push_back(&island);
  Timer timer;
  std::vector<std::vector<space::Genome>> batches;
  for (const Island* island : due)
    for (const Population& population : island->populations)
      batches.push_back(population.algorithm->children(evaluator));
  const double varied = timer.seconds();
  auto scored = scorer_.score(evaluator, std::move(batches));
  const double known = timer.seconds();
  auto next = scored.begin();
  for (Island* island : due)
    for (Population& population : island->populations) {
      offer(population, *next, population.algorithm->generation() + 1);
      population.algorithm->accept(std::move(*next++));
    }
  ++idle_generation_;
  const double selected = timer.seconds(), waited = effort_.wait;
  const bool migration = options_.migration_interval > 0 && (now + 1) % options_.migration_interval == 0;
  if (options_.asynchronous()) {
    if (migration) send_migrants(due);
    receive_all();
  } else if (migration) {
    migrate();
  } else {
    for (Parcel& parcel : parcels_) parcel.bytes->here();  // lets MPI go on
  }
  const double migrated = timer.seconds();
  for (Island* island : due) record(*island);
  effort_.vary += varied;
  effort_.score += known - varied;
  effort_.select += selected - known + timer.seconds() - migrated;
  effort_.communicate += migrated - selected - (effort_.wait - waited);
}

void Archipelago::rescore(search::Evaluator& evaluator) {
  arrive();
  scorer_.forget();
  std::vector<std::vector<space::Genome>> batches;
  for (const Island& island : islands_)
    for (const Population& population : island.populations) {
      batches.push_back(genomes_of(population.algorithm->population()));
      auto& front = batches.emplace_back();
      for (const auto& member : population.front.members()) front.push_back(member.individual.genome);
    }
  auto scored = scorer_.score(evaluator, std::move(batches));
  auto next = scored.begin();
  for (Island& island : islands_)
    for (Population& population : island.populations) {
      search::Algorithm& algorithm = *population.algorithm;
      algorithm.set_population(*next++, algorithm.generation());
      population.front.clear(algorithm.generation());
      offer(population, algorithm.population(), algorithm.generation());
      offer(population, *next++, algorithm.generation());
    }
}

void Archipelago::record(Island& island) const {
  for (std::size_t b = 0; b < budgets_.size(); ++b) {
    const Population& population = island.populations[b];
    const Individuals& individuals = population.algorithm->population();
    HistoryRow row;
    row.generation = island.generation();
    row.island = island.id;
    row.budget = static_cast<int>(b);
    const search::Individual* best = &individuals.front();
    for (const search::Individual& individual : individuals) {
      row.mean_accuracy += individual.score.accuracy / static_cast<double>(individuals.size());
      if (population.algorithm->budget().holds(individual.score) &&
          search::better(individual, *best, budgets_[b].metric))
        best = &individual;
    }
    row.best_accuracy = best->score.accuracy;
    row.best_cost = best->score.costs[static_cast<std::size_t>(budgets_[b].metric)];
    row.front = static_cast<int>(population.front.members().size());
    row.hypervolume = population.front.hypervolume(0, budgets_[b].limit);
    island.rows.push_back(row);
  }
}

}  // namespace apq::island
