// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/island/archipelago.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "apq/island/topology.hpp"
#include "island/codec.hpp"
#include "island/policies/registry.hpp"

namespace apq::island {
namespace {

constexpr int kExchangeTag = 11, kAsynchronousTag = 12;
enum Kind : std::uint8_t { kMigrants, kInterrupt };

/// Tells the populations of an archipelago apart, whatever the number of islands and budgets.
std::uint64_t population_key(int island, std::size_t budget) {
  return static_cast<std::uint64_t>(island) << 32 | budget;
}

auto place(const HistoryRow& row) { return std::tuple(row.generation, row.island, row.budget); }

void write(Writer& writer, const HistoryRow& row) {
  writer.put(row.generation);
  writer.put(row.budget);
  writer.put(row.best_accuracy);
  writer.put(row.mean_accuracy);
  writer.put(row.best_cost);
  writer.put(row.front);
  writer.put(row.hypervolume);
}

HistoryRow read_row(Reader& reader, int island) {
  HistoryRow row;
  row.generation = reader.get<std::int64_t>();
  row.island = island;
  row.budget = reader.get<int>();
  row.best_accuracy = reader.get<double>();
  row.mean_accuracy = reader.get<double>();
  row.best_cost = reader.get<double>();
  row.front = reader.get<int>();
  row.hypervolume = reader.get<double>();
  return row;
}

void write(Writer& writer, const std::vector<search::FrontMember>& members) {
  Individuals individuals;
  for (const search::FrontMember& member : members) individuals.push_back(member.individual);
  write(writer, individuals);
  for (const search::FrontMember& member : members) {
    writer.put(member.entered);
    writer.put(member.left);
  }
}

std::vector<search::FrontMember> read_members(Reader& reader, const space::SearchSpace& space) {
  std::vector<search::FrontMember> members;
  for (search::Individual& individual : read(reader, space))
    members.push_back({0, -1, std::move(individual)});
  for (search::FrontMember& member : members) {
    member.entered = reader.get<std::int64_t>();
    member.left = reader.get<std::int64_t>();
  }
  return members;
}

std::vector<space::Genome> genomes_of(const Individuals& individuals) {
  std::vector<space::Genome> genomes;
  for (const search::Individual& individual : individuals) genomes.push_back(individual.genome);
  return genomes;
}

std::string island_name(int island) { return fmt::format("island.{}", island); }

std::span<const std::uint8_t> as_octets(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
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
                         std::vector<search::Budget> budgets, std::vector<space::Genome> smallest,
                         const search::EvolutionOptions& evolution, const ArchipelagoOptions& options,
                         std::uint64_t seed, const std::string& algorithm)
    : comm_(&comm),
      space_(&space),
      budgets_(std::move(budgets)),
      smallest_(std::move(smallest)),
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
  APQ_ASSERT(smallest_.size() == budgets_.size());
  selection_from_name(options_.selection);
  replacement_from_name(options_.replacement);
  for (int id = 0; id < options_.islands; ++id)
    targets_.push_back(neighbours(options_.topology, id, options_.islands, seed));
  for (int id = comm.rank(); id < options_.islands; id += comm.size()) {
    Island island{id, {}, {}};
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
  std::vector<std::vector<space::Genome>> batches;
  for (Island& island : islands_)
    for (std::size_t b = 0; b < budgets_.size(); ++b)
      batches.push_back(island.populations[b].algorithm->first(evaluator, smallest_[b]));
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
  const double selected = timer.seconds();
  const bool migrate = options_.migration_interval > 0 && (now + 1) % options_.migration_interval == 0;
  if (options_.asynchronous()) {
    if (migrate) send_migrants(due);
    receive_all();
  } else if (migrate) {
    exchange();
  }
  const double migrated = timer.seconds();
  for (Island* island : due) record(*island);
  effort_.vary += varied;
  effort_.score += known - varied;
  effort_.select += selected - known + timer.seconds() - migrated;
  effort_.communicate += migrated - selected;
}

void Archipelago::rescore(search::Evaluator& evaluator) {
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

Individuals Archipelago::residents(const Population& population) const {
  return population.algorithm->emigrants(std::numeric_limits<int>::max());
}

Archipelago::Migrants Archipelago::emigrants(const Island& island) const {
  Select* select = selection_from_name(options_.selection);
  Migrants migrants;
  for (std::size_t b = 0; b < budgets_.size(); ++b) {
    RandomStream random(seed_, Purpose::migration, population_key(island.id, b),
                        static_cast<std::uint64_t>(island.generation()));
    migrants.push_back(select(residents(island.populations[b]), options_.migrants, random));
  }
  return migrants;
}

void Archipelago::immigrate(Island& island, int source, const Migrants& migrants) const {
  Replace* replace = replacement_from_name(options_.replacement);
  for (std::size_t b = 0; b < budgets_.size(); ++b) {
    search::Algorithm& algorithm = *island.populations[b].algorithm;
    const Individuals& population = algorithm.population();
    Individuals strangers;
    for (const search::Individual& migrant : migrants[b])
      if (algorithm.budget().holds(migrant.score) &&
          std::ranges::find(population, migrant.genome, &search::Individual::genome) == population.end())
        strangers.push_back(migrant);
    if (strangers.empty()) continue;
    RandomStream random(seed_, Purpose::migration, population_key(island.id, b),
                        static_cast<std::uint64_t>(algorithm.generation()),
                        static_cast<std::uint64_t>(source) + 1);
    algorithm.set_population(replace(population, strangers, budgets_[b].metric, random),
                             algorithm.generation());
  }
}

void Archipelago::send(const comm::Bytes& bytes, int to, int tag) {
  comm_->send(bytes, to, tag);
  ++effort_.messages;
  effort_.bytes += static_cast<std::int64_t>(bytes.size());
}

// All emigrants leave before any arrives, and one message goes from a rank to every other that hosts one of
// their destinations. Who hosts an island, and whose message comes first, does not matter.
void Archipelago::exchange() {
  const int me = comm_->rank();
  std::map<int, Migrants> arrivals;  // by source island
  std::map<int, Writer> messages;    // by rank
  for (const Island& island : islands_) {
    Migrants migrants = emigrants(island);
    std::set<int> ranks;
    for (const int target : targets_[static_cast<std::size_t>(island.id)]) ranks.insert(host(target));
    for (const int rank : ranks)
      if (rank != me)
        for (const Individuals& individuals : migrants) write(messages[rank], individuals);
    if (ranks.contains(me)) arrivals.emplace(island.id, std::move(migrants));
  }
  for (auto& [rank, writer] : messages) send(writer.take(), rank, kExchangeTag);

  std::map<int, std::vector<int>> expected;  // islands that send here, by their rank
  for (int source = 0; source < options_.islands; ++source)
    if (host(source) != me &&
        std::ranges::any_of(targets_[static_cast<std::size_t>(source)], [&](int t) { return host(t) == me; }))
      expected[host(source)].push_back(source);
  for (const auto& [rank, sources] : expected) {
    const comm::Bytes bytes = comm_->receive(rank, kExchangeTag);
    Reader reader(bytes, ErrorKind::environment, "a message of migrants");
    for (const int source : sources) {
      Migrants& migrants = arrivals[source];
      for (std::size_t b = 0; b < budgets_.size(); ++b) migrants.push_back(read(reader, *space_));
    }
    reader.require(reader.done(), "bytes are left over");
  }
  for (const auto& [source, migrants] : arrivals)
    for (Island& island : islands_)
      if (std::ranges::binary_search(targets_[static_cast<std::size_t>(source)], island.id))
        immigrate(island, source, migrants);
}

void Archipelago::send_migrants(const std::vector<Island*>& islands) {
  std::map<int, Writer> messages;
  std::map<int, Migrants> at_home;
  for (const Island* island : islands) {
    const Migrants migrants = emigrants(*island);
    std::set<int> ranks;
    for (const int target : targets_[static_cast<std::size_t>(island->id)]) ranks.insert(host(target));
    for (const int rank : ranks) {
      if (rank == comm_->rank()) {
        at_home.emplace(island->id, migrants);
        continue;
      }
      const auto [message, is_new] = messages.try_emplace(rank);
      if (is_new) message->second.put<std::uint8_t>(kMigrants);
      message->second.put(island->id);
      for (const Individuals& individuals : migrants) write(message->second, individuals);
    }
  }
  for (auto& [rank, writer] : messages) {
    send(writer.take(), rank, kAsynchronousTag);
    ++sent_[static_cast<std::size_t>(rank)];
  }
  for (const auto& [source, migrants] : at_home)
    for (Island& island : islands_)
      if (std::ranges::binary_search(targets_[static_cast<std::size_t>(source)], island.id))
        immigrate(island, source, migrants);
}

void Archipelago::receive(const comm::Communicator::Message& message) {
  ++received_[static_cast<std::size_t>(message.from)];
  Reader reader(message.bytes, ErrorKind::environment, "an asynchronous message");
  if (reader.get<std::uint8_t>() == kInterrupt) {
    interrupted_ = true;
    return;
  }
  while (!reader.done()) {
    const int source = reader.get<int>();
    reader.require(source >= 0 && source < options_.islands, "there is no such island");
    Migrants migrants;
    for (std::size_t b = 0; b < budgets_.size(); ++b) migrants.push_back(read(reader, *space_));
    for (Island& island : islands_)
      if (std::ranges::binary_search(targets_[static_cast<std::size_t>(source)], island.id))
        immigrate(island, source, migrants);
  }
}

void Archipelago::receive_all() {
  while (const auto message = comm_->try_receive(kAsynchronousTag)) receive(*message);
}

bool Archipelago::interrupted(bool wants) {
  if (wants && !interrupted_) {
    interrupted_ = true;
    Writer writer;
    writer.put<std::uint8_t>(kInterrupt);
    const comm::Bytes message = writer.take();
    for (int rank = 0; rank < comm_->size(); ++rank)
      if (rank != comm_->rank()) {
        send(message, rank, kAsynchronousTag);
        ++sent_[static_cast<std::size_t>(rank)];
      }
  }
  receive_all();
  return interrupted_;
}

void Archipelago::settle() {
  if (!options_.asynchronous()) return;
  Writer writer;
  for (const std::int64_t count : sent_) writer.put(count);
  const auto counts = comm_->all_gather(writer.take());
  for (int rank = 0; rank < comm_->size(); ++rank) {
    Reader reader(counts[static_cast<std::size_t>(rank)], ErrorKind::environment, "a message of counts");
    std::int64_t expected = 0;
    for (int to = 0; to <= comm_->rank(); ++to) expected = reader.get<std::int64_t>();
    while (received_[static_cast<std::size_t>(rank)] < expected)
      receive({rank, comm_->receive(rank, kAsynchronousTag)});
  }
  interrupted_ = false;
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

template <class Write, class Read>
void Archipelago::gather_islands(const Write& write_island, const Read& read_island) const {
  Writer writer;
  for (const Island& island : islands_) write_island(writer, island);
  const auto messages = comm_->all_gather(writer.take());
  std::vector<Reader> readers;
  for (const comm::Bytes& bytes : messages)
    readers.emplace_back(bytes, ErrorKind::environment, "a message about islands");
  for (int i = 0; i < options_.islands; ++i) read_island(readers[static_cast<std::size_t>(host(i))], i);
}

std::vector<Archipelago::Migrants> Archipelago::gather(int count) const {
  std::vector<Migrants> result(static_cast<std::size_t>(options_.islands));
  gather_islands(
      [&](Writer& writer, const Island& island) {
        for (const Population& population : island.populations)
          write(writer, population.algorithm->emigrants(count));
      },
      [&](Reader& reader, int i) {
        for (std::size_t b = 0; b < budgets_.size(); ++b)
          result[static_cast<std::size_t>(i)].push_back(read(reader, *space_));
      });
  return result;
}

std::vector<Individuals> Archipelago::elites(int count) {
  settle();
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
  settle();
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
  settle();
  std::vector<HistoryRow> rows;
  gather_islands(
      [&](Writer& writer, const Island& island) {
        writer.put(static_cast<std::uint64_t>(island.rows.size()));
        for (const HistoryRow& row : island.rows) write(writer, row);
      },
      [&](Reader& reader, int i) {
        for (auto count = reader.get<std::uint64_t>(); count > 0; --count)
          rows.push_back(read_row(reader, i));
      });
  std::ranges::sort(rows, {}, place);
  return rows;
}

std::vector<FrontRow> Archipelago::fronts() {
  settle();
  std::vector<FrontRow> rows;
  gather_islands(
      [&](Writer& writer, const Island& island) {
        for (const Population& population : island.populations) {
          write(writer, population.front.former());
          write(writer, population.front.members());
        }
      },
      [&](Reader& reader, int i) {
        for (std::size_t b = 0; b < budgets_.size(); ++b)
          for (int part = 0; part < 2; ++part)
            for (search::FrontMember& member : read_members(reader, *space_))
              rows.push_back({i, static_cast<int>(b), std::move(member)});
      });
  std::ranges::stable_sort(rows, {}, [](const FrontRow& row) { return std::tuple(row.budget, row.island); });
  return rows;
}

io::Archive Archipelago::save() {
  settle();
  io::Archive archive;
  archive.put("shape", shape());
  gather_islands(
      [&](Writer& writer, const Island& island) {
        Writer state;
        state.put(island.generation());
        for (const Population& population : island.populations) {
          write(state, population.algorithm->population());
          write(state, population.front.former());
          write(state, population.front.members());
        }
        for (const HistoryRow& row : island.rows) write(state, row);
        const comm::Bytes bytes = state.take();
        writer.put(static_cast<std::uint64_t>(bytes.size()));
        writer.append(bytes);
      },
      [&](Reader& reader, int i) {
        const auto size = reader.get<std::uint64_t>();
        archive.put(island_name(i), as_octets(reader.take(size)));
      });
  return archive;
}

void Archipelago::load(const io::Archive& archive) {
  const std::string saved = archive.text("shape");
  validate(saved == shape(), ErrorKind::checkpoint,
           "the saved islands do not fit ({} were saved, {} are asked for) use the saved configuration",
           saved, shape());
  for (int i = 0; i < options_.islands; ++i) {
    const std::string name = island_name(i);
    const auto octets = archive.bytes(name);
    Reader reader(std::as_bytes(std::span(octets)), ErrorKind::checkpoint, name);
    const auto generation = reader.get<std::int64_t>();
    idle_generation_ = i == 0 ? generation : std::min(idle_generation_, generation);
    const auto found = std::ranges::find(islands_, i, &Island::id);
    if (found == islands_.end()) continue;
    for (Population& population : found->populations) {
      population.algorithm->restore(read(reader, *space_), generation);
      auto former = read_members(reader, *space_);
      population.front.restore(read_members(reader, *space_), std::move(former));
    }
    found->rows.clear();
    while (!reader.done()) found->rows.push_back(read_row(reader, i));
  }
}

std::string Archipelago::shape() const {
  std::string text = fmt::format("{} islands of {}", options_.islands, algorithm_);
  for (const search::Budget& budget : budgets_)
    text += fmt::format(", budget {} on cost {} <= {}", budget.name, budget.metric, budget.limit);
  return text;
}

}  // namespace apq::island
