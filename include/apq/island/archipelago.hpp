// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "apq/comm/communicator.hpp"
#include "apq/io/archive.hpp"
#include "apq/search/evolution.hpp"

namespace apq::island {

struct ArchipelagoOptions {
  int islands = 4;
  std::string topology = "ring";
  int migration_interval = 10;  ///< generations between migrations; 0 = never
  int migrants = 5;             ///< elites sent to each neighbour, per budget
  /// Island i of n searches within floor + (limit - floor) * (i + 1) / n of each budget; otherwise all search
  /// within the limit.
  bool spread = true;
};

/// One line of the search's history, per island, budget and generation (migration included).
struct HistoryRow {
  std::int64_t generation = 0;
  int island = 0;
  int budget = 0;
  double best_accuracy = 0;  ///< predicted
  double mean_accuracy = 0;
  double best_cost = 0;  ///< in the budget's metric
};

/// Islands of populations, one Evolution per island and budget, hosted by ranks round robin (island i on rank
/// i mod size). Results depend on the islands only, never on the ranks: migrants are exchanged with all ranks
/// and applied in (generation, source island) order.
class Archipelago {
 public:
  Archipelago(comm::Communicator& comm, const space::SearchSpace& space, std::vector<search::Budget> budgets,
              std::vector<space::Genome> smallest, const search::EvolutionOptions& evolution,
              const ArchipelagoOptions& options, std::uint64_t seed);

  void initialise(search::Evaluator& evaluator);
  /// One generation on every island of this rank, then migration if it is due. Collective.
  void step(search::Evaluator& evaluator);
  void rescore(search::Evaluator& evaluator);
  std::int64_t generation() const { return generation_; }

  /// The best `count` individuals over all islands for each budget, without repeats, best first. Collective;
  /// the same everywhere.
  std::vector<std::vector<search::Individual>> elites(int count);
  /// The best `count` of each island for each budget: [budget][island * count + k]; a population of fewer
  /// repeats its last. Collective; the same everywhere.
  std::vector<std::vector<search::Individual>> island_elites(int count);
  /// All history rows so far, sorted by (generation, island, budget). Collective; the same everywhere.
  std::vector<HistoryRow> history();

  /// State of all islands, the same on every rank. Collective. `load` accepts any number of ranks and throws
  /// Error(checkpoint) when the islands or budgets are others.
  io::Archive save();
  void load(const io::Archive& archive);

 private:
  struct Island {
    int id = 0;
    std::vector<search::Evolution> populations;  ///< one per budget
  };
  search::Budget budget_of(search::Budget budget, int island) const;
  void migrate();
  void record();
  /// The best `count` of every population, [island][budget]. Collective.
  std::vector<std::vector<std::vector<search::Individual>>> gather(int count) const;
  /// The islands and budgets, as text.
  std::string shape() const;

  static constexpr int kEverybody = std::numeric_limits<int>::max();

  comm::Communicator* comm_;
  const space::SearchSpace* space_;
  std::vector<search::Budget> budgets_;
  std::vector<space::Genome> smallest_;
  ArchipelagoOptions options_;
  std::int64_t generation_ = 0;
  std::vector<Island> islands_;  ///< those of this rank
  std::vector<HistoryRow> rows_;
};

/// Individuals as bytes and back; `decode` throws Error(environment) on malformed input.
comm::Bytes encode(const std::vector<search::Individual>& individuals);
std::vector<search::Individual> decode(std::span<const std::byte> bytes, const space::SearchSpace& space);

}  // namespace apq::island
