// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/island/archipelago.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "apq/core/error.hpp"
#include "apq/island/topology.hpp"
#include "island/codec.hpp"

namespace apq::island {
namespace {

using Individuals = std::vector<search::Individual>;

/// Tells the populations of an archipelago apart, whatever the number of islands and budgets.
std::uint64_t population_key(int island, std::size_t budget) {
  return static_cast<std::uint64_t>(island) << 32 | budget;
}

auto place(const HistoryRow& row) { return std::tuple(row.generation, row.island, row.budget); }

HistoryRow summarise(const search::Evolution& evolution, int island, int budget) {
  const Individuals& population = evolution.population();
  HistoryRow row{evolution.generation(), island, budget};
  row.best_accuracy = population.front().score.accuracy;
  row.best_cost = population.front().score.costs[evolution.budget().metric];
  for (const search::Individual& individual : population) row.mean_accuracy += individual.score.accuracy;
  row.mean_accuracy /= static_cast<double>(population.size());
  return row;
}

void write(Writer& writer, const HistoryRow& row) {
  writer.put(row.generation);
  writer.put(row.island);
  writer.put(row.budget);
  writer.put(row.best_accuracy);
  writer.put(row.mean_accuracy);
  writer.put(row.best_cost);
}

HistoryRow read_row(Reader& reader) {
  HistoryRow row;
  row.generation = reader.get<std::int64_t>();
  row.island = reader.get<int>();
  row.budget = reader.get<int>();
  row.best_accuracy = reader.get<double>();
  row.mean_accuracy = reader.get<double>();
  row.best_cost = reader.get<double>();
  return row;
}

std::string population_name(std::size_t island, std::size_t budget) {
  return fmt::format("population.{}.{}", island, budget);
}

std::span<const std::uint8_t> as_octets(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

/// Islands divide the range below a limit evenly, so that together they find a front and not one point of it.
search::Budget Archipelago::budget_of(search::Budget budget, int island) const {
  if (options_.spread && budget.floor >= 0)
    budget.limit = budget.floor + (budget.limit - budget.floor) * (island + 1) / options_.islands;
  return budget;
}

Archipelago::Archipelago(comm::Communicator& comm, const space::SearchSpace& space,
                         std::vector<search::Budget> budgets, std::vector<space::Genome> smallest,
                         const search::EvolutionOptions& evolution, const ArchipelagoOptions& options,
                         std::uint64_t seed)
    : comm_(&comm),
      space_(&space),
      budgets_(std::move(budgets)),
      smallest_(std::move(smallest)),
      options_(options) {
  validate(options_.islands >= 1, ErrorKind::usage, "islands = {} (at least 1 is needed) raise it",
           options_.islands);
  validate(options_.migration_interval >= 0 && options_.migrants >= 0, ErrorKind::usage,
           "migration_interval = {}, migrants = {} (neither may be negative) raise it",
           options_.migration_interval, options_.migrants);
  validate(!budgets_.empty(), ErrorKind::usage, "there is no budget (the search needs one) name one");
  APQ_ASSERT(smallest_.size() == budgets_.size());
  neighbours(options_.topology, 0, options_.islands);  // throws for an unknown name
  for (int id = comm.rank(); id < options_.islands; id += comm.size()) {
    Island island{id, {}};
    for (std::size_t b = 0; b < budgets_.size(); ++b)
      island.populations.emplace_back(space, budget_of(budgets_[b], id), evolution, seed,
                                      population_key(id, b));
    islands_.push_back(std::move(island));
  }
}

void Archipelago::initialise(search::Evaluator& evaluator) {
  generation_ = 0;
  rows_.clear();
  for (Island& island : islands_)
    for (std::size_t b = 0; b < budgets_.size(); ++b)
      island.populations[b].initialise(evaluator, smallest_[b]);
  record();
}

void Archipelago::step(search::Evaluator& evaluator) {
  for (Island& island : islands_)
    for (search::Evolution& population : island.populations) population.step(evaluator);
  ++generation_;
  if (options_.migration_interval > 0 && generation_ % options_.migration_interval == 0) migrate();
  record();
}

void Archipelago::rescore(search::Evaluator& evaluator) {
  for (Island& island : islands_)
    for (search::Evolution& population : island.populations) population.rescore(evaluator);
}

// All emigrants leave before any arrives: who hosts an island, and which is served first, does not matter.
void Archipelago::migrate() {
  const auto emigrants = gather(options_.migrants);
  for (int source = 0; source < options_.islands; ++source) {
    const std::vector<int> targets = neighbours(options_.topology, source, options_.islands);
    for (Island& island : islands_)
      if (std::ranges::binary_search(targets, island.id))
        for (std::size_t b = 0; b < budgets_.size(); ++b)
          island.populations[b].immigrate(emigrants[static_cast<std::size_t>(source)][b]);
  }
}

void Archipelago::record() {
  for (const Island& island : islands_)
    for (std::size_t b = 0; b < budgets_.size(); ++b)
      rows_.push_back(summarise(island.populations[b], island.id, static_cast<int>(b)));
}

std::vector<std::vector<Individuals>> Archipelago::gather(int count) const {
  Writer writer;
  for (const Island& island : islands_)
    for (const search::Evolution& population : island.populations)
      island::write(writer, population.emigrants(count));
  const auto messages = comm_->all_gather(writer.take());
  std::vector<Reader> readers;
  for (const comm::Bytes& bytes : messages)
    readers.emplace_back(bytes, ErrorKind::environment, "a message of individuals");
  std::vector<std::vector<Individuals>> result(static_cast<std::size_t>(options_.islands));
  for (std::size_t i = 0; i < result.size(); ++i)
    for (std::size_t b = 0; b < budgets_.size(); ++b)
      result[i].push_back(read(readers[i % readers.size()], *space_));
  return result;
}

std::vector<Individuals> Archipelago::elites(int count) {
  const auto gathered = gather(count);
  std::vector<Individuals> result(budgets_.size());
  for (std::size_t b = 0; b < budgets_.size(); ++b) {
    Individuals& best = result[b];
    for (const auto& island : gathered) best.insert(best.end(), island[b].begin(), island[b].end());
    std::ranges::stable_sort(best, [&](const search::Individual& x, const search::Individual& y) {
      return search::better(x, y, budgets_[b].metric);
    });
    std::set<space::Genome> known;
    std::erase_if(best, [&](const search::Individual& i) { return !known.insert(i.genome).second; });
    if (best.size() > static_cast<std::size_t>(count)) best.resize(static_cast<std::size_t>(count));
  }
  return result;
}

std::vector<Individuals> Archipelago::island_elites(int count) {
  const auto gathered = gather(count);
  std::vector<Individuals> result(budgets_.size());
  for (std::size_t b = 0; b < budgets_.size(); ++b)
    for (const auto& island : gathered) {
      APQ_ASSERT(!island[b].empty());
      for (int k = 0; k < count; ++k)
        result[b].push_back(island[b][std::min(static_cast<std::size_t>(k), island[b].size() - 1)]);
    }
  return result;
}

std::vector<HistoryRow> Archipelago::history() {
  Writer writer;
  for (const HistoryRow& row : rows_) write(writer, row);
  std::vector<HistoryRow> rows;
  for (const comm::Bytes& bytes : comm_->all_gather(writer.take())) {
    Reader reader(bytes, ErrorKind::environment, "a message of history rows");
    while (!reader.done()) rows.push_back(read_row(reader));
  }
  std::ranges::sort(rows, {}, place);
  return rows;
}

io::Archive Archipelago::save() {
  io::Archive archive;
  archive.put("shape", shape());
  archive.put("generation", generation_);
  const auto populations = gather(kEverybody);
  for (std::size_t i = 0; i < populations.size(); ++i)
    for (std::size_t b = 0; b < budgets_.size(); ++b)
      archive.put(population_name(i, b), as_octets(encode(populations[i][b])));
  Writer writer;
  for (const HistoryRow& row : history()) write(writer, row);
  archive.put("history", as_octets(writer.take()));
  return archive;
}

void Archipelago::load(const io::Archive& archive) {
  const std::string saved = archive.text("shape");
  validate(saved == shape(), ErrorKind::checkpoint,
           "the saved islands do not fit ({} were saved, {} are asked for) use the saved configuration",
           saved, shape());
  const std::int64_t generation = archive.integer("generation");
  for (Island& island : islands_)
    for (std::size_t b = 0; b < budgets_.size(); ++b) {
      const std::string name = population_name(static_cast<std::size_t>(island.id), b);
      const auto octets = archive.bytes(name);
      Reader reader(std::as_bytes(std::span(octets)), ErrorKind::checkpoint, name);
      island.populations[b].set_population(read(reader, *space_), generation);
    }
  const auto octets = archive.bytes("history");
  Reader reader(std::as_bytes(std::span(octets)), ErrorKind::checkpoint, "history");
  rows_.clear();
  while (!reader.done()) {
    const HistoryRow row = read_row(reader);
    if (row.island % comm_->size() == comm_->rank()) rows_.push_back(row);
  }
  generation_ = generation;
}

std::string Archipelago::shape() const {
  std::string text = fmt::format("{} islands", options_.islands);
  for (const search::Budget& budget : budgets_)
    text += fmt::format(", budget {} on cost {} <= {}", budget.name, budget.metric, budget.limit);
  return text;
}

}  // namespace apq::island
