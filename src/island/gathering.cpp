// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "apq/core/error.hpp"
#include "apq/island/archipelago.hpp"
#include "island/codec.hpp"

namespace apq::island {
namespace {

using Individuals = std::vector<search::Individual>;

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

/// Of a saved island: generation, migrants on their way, populations with their fronts, history.
constexpr std::int64_t kLayout = 2;

std::string island_name(int island) { return fmt::format("island.{}", island); }

std::span<const std::uint8_t> as_octets(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

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
  archive.put("layout", kLayout);
  gather_islands(
      [&](Writer& writer, const Island& island) {
        Writer state;
        state.put(island.generation());
        for (std::size_t b = 0; b < budgets_.size(); ++b)
          write(state, island.departed.empty() ? Individuals() : island.departed[b]);
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
  validate(archive.has("layout") && archive.integer("layout") == kLayout, ErrorKind::checkpoint,
           "the saved islands have no migrants on their way (another version of the program wrote them) "
           "continue with that one, or start the search afresh in another folder");
  recall();
  for (int i = 0; i < options_.islands; ++i) {
    const std::string name = island_name(i);
    const auto octets = archive.bytes(name);
    Reader reader(std::as_bytes(std::span(octets)), ErrorKind::checkpoint, name);
    const auto generation = reader.get<std::int64_t>();
    idle_generation_ = i == 0 ? generation : std::min(idle_generation_, generation);
    Migrants departed;
    for (std::size_t b = 0; b < budgets_.size(); ++b) departed.push_back(read(reader, *space_));
    if (std::ranges::any_of(islands_, [&](const Island& island) { return goes_to(i, island.id); }))
      arriving_.emplace(i, departed);
    const auto found = std::ranges::find(islands_, i, &Island::id);
    if (found == islands_.end()) continue;
    found->departed = std::move(departed);
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
