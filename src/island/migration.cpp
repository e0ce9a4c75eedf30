// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "apq/island/archipelago.hpp"
#include "island/codec.hpp"
#include "island/policies/registry.hpp"

namespace apq::island {
namespace {

constexpr int kExchangeTag = 11, kAsynchronousTag = 12;
enum Kind : std::uint8_t { kMigrants, kInterrupt };

}  // namespace

Archipelago::Migrants Archipelago::emigrants(const Island& island) const {
  Select* select = selection_from_name(options_.selection);
  Migrants migrants;
  for (std::size_t b = 0; b < budgets_.size(); ++b) {
    RandomStream random(seed_, Purpose::migration, population_key(island.id, b),
                        static_cast<std::uint64_t>(island.generation()));
    const search::Algorithm& algorithm = *island.populations[b].algorithm;
    const auto holds = [&](const search::Individual& i) { return algorithm.budget().holds(i.score); };
    const std::span<const search::Individual> all = algorithm.population();  // over the budget: last
    const auto residents = std::ranges::find_if_not(all, holds) - all.begin();
    migrants.push_back(select(all.first(static_cast<std::size_t>(residents)), options_.migrants, random));
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

void Archipelago::migrate() {
  arrive();
  depart();
}

// One message goes from a rank to every other that hosts one of its emigrants' destinations.
void Archipelago::depart() {
  const int me = comm_->rank();
  std::map<int, Writer> messages;  // by rank
  for (Island& island : islands_) {
    const std::vector<int>& targets = targets_[static_cast<std::size_t>(island.id)];
    if (targets.empty()) continue;
    island.departed = emigrants(island);
    std::set<int> ranks;
    for (const int target : targets) ranks.insert(host(target));
    for (const int rank : ranks)
      if (rank != me)
        for (const Individuals& individuals : island.departed) write(messages[rank], individuals);
    if (ranks.contains(me)) arriving_.emplace(island.id, island.departed);
  }
  for (auto& [rank, writer] : messages) send(writer.take(), rank, kExchangeTag);
  for (const auto& [rank, sources] : sources_)
    parcels_.push_back({rank, comm_->receive_later(rank, kExchangeTag)});
}

void Archipelago::unpack() {
  for (const Parcel& parcel : parcels_) {
    const Timer waiting;
    const comm::Bytes bytes = parcel.bytes->get();
    effort_.wait += waiting.seconds();
    Reader reader(bytes, ErrorKind::environment, "a message of migrants");
    for (const int source : sources_.at(parcel.from)) {
      Migrants& migrants = arriving_[source];
      for (std::size_t b = 0; b < budgets_.size(); ++b) migrants.push_back(read(reader, *space_));
    }
    reader.require(reader.done(), "bytes are left over");
  }
  parcels_.clear();
}

// Who hosts an island, and whose message came first, does not matter.
void Archipelago::arrive() {
  unpack();
  for (const auto& [source, migrants] : arriving_) admit(source, migrants);
  recall();
}

/// Nobody is on the way any more, and nobody arrives.
void Archipelago::recall() {
  unpack();
  arriving_.clear();
  for (Island& island : islands_) island.departed.clear();
}

void Archipelago::admit(int source, const Migrants& migrants) {
  for (Island& island : islands_)
    if (goes_to(source, island.id)) immigrate(island, source, migrants);
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
  for (const auto& [source, migrants] : at_home) admit(source, migrants);
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
    admit(source, migrants);
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
  if (!options_.asynchronous()) {
    unpack();
    return;
  }
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

}  // namespace apq::island
