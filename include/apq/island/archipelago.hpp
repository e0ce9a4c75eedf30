// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "apq/comm/communicator.hpp"
#include "apq/io/archive.hpp"
#include "apq/island/topology.hpp"
#include "apq/search/algorithm.hpp"
#include "apq/search/front.hpp"
#include "apq/search/scorer.hpp"

namespace apq::island {

/// Generations of synchronous islands after which all ranks begin to agree whether to stop or to save; the
/// outcome comes with the next such moment, so a request is met after at most twice as many. More often,
/// ranks would wait for whoever is late for a moment.
inline constexpr std::int64_t kGenerationsPerAgreement = 10;

struct ArchipelagoOptions {
  int islands = 4;
  std::string topology = "ring";
  int migration_interval = 10;  ///< generations between migrations, and that migrants travel; 0 = never
  int migrants = 5;             ///< elites sent to each neighbour, per budget
  /// The range between a budget's floor and its limit is cut into one part per island, and island i searches
  /// below the top of part i, or wherever `open` puts it; otherwise all search within the limit.
  bool spread = true;
  std::string selection = "best";     ///< of migrants
  std::string replacement = "worst";  ///< of residents by migrants
  std::string mode = "synchronous";   ///< or asynchronous: nobody waits, results depend on who was faster
  bool asynchronous() const { return mode == "asynchronous"; }
};
std::vector<std::string> modes();

/// One line of the search's history, per island, budget and generation (arrived migrants included).
struct HistoryRow {
  std::int64_t generation = 0;
  int island = 0;
  int budget = 0;
  double best_accuracy = 0;  ///< predicted
  double mean_accuracy = 0;
  double best_cost = 0;  ///< in the budget's metric
  int front = 0;         ///< networks on the island's front of accuracy and that cost
  /// That the front dominates, below the limit of the whole budget and above accuracy 0.
  double hypervolume = 0;
};

/// A network that is or was on the front of an island and budget.
struct FrontRow {
  int island = 0;
  int budget = 0;
  search::FrontMember member;
};

/// What one rank did so far: seconds by phase of the loop, and what it sent to other ranks.
struct Effort {
  double vary = 0;         ///< drawing children, their costs included
  double score = 0;        ///< the evaluator, and remembering
  double select = 0;       ///< fronts, survival, history
  double communicate = 0;  ///< choosing, sending and placing migrants
  double wait = 0;         ///< for migrants of ranks that are behind
  std::int64_t messages = 0;
  std::int64_t bytes = 0;  ///< of their content
};

/// Islands of populations, one search algorithm per island and budget, hosted by ranks (host_of). In
/// synchronous mode results depend on the islands only, never on the ranks: migrants chosen at one migration
/// arrive at the next, before that one's are chosen, in the order of their islands, whether those are on one
/// rank or not. So messages travel while ranks compute, and a rank waits only for one that is a whole
/// interval behind. Migrants on their way belong to the state of their island. They arrive early when
/// everybody is scored again; those on their way at the end of a search do not arrive, and nothing is lost:
/// they are copies of residents. In asynchronous mode nobody waits for anybody: migrants are taken in when
/// they come, and islands may be at different generations.
class Archipelago {
 public:
  Archipelago(comm::Communicator& comm, const space::SearchSpace& space, std::vector<search::Budget> budgets,
              const search::EvolutionOptions& evolution, const ArchipelagoOptions& options,
              std::uint64_t seed, const std::string& algorithm = "evolution");

  void initialise(search::Evaluator& evaluator);
  /// One generation on those islands of this rank that are farthest behind (in synchronous mode all), scored
  /// in a single call of the evaluator, then migration if it is due. In synchronous mode all ranks take the
  /// same number of steps.
  void step(search::Evaluator& evaluator);
  /// Sets the limit of island i of n to floor + (limit - floor) * (i + round / rounds) / n of each budget, so
  /// that elites taken round after round spread along a front; for island 0, where there are several rounds,
  /// (round - 1) / (rounds - 1): it begins at the floor itself, for what costs least is on every front. 1 <=
  /// round <= rounds, at first the last; it must not fall below that of the present populations. Without
  /// effect when islands do not spread.
  void open(std::int64_t round, std::int64_t rounds);
  /// Scores everybody again (after a new predictor). Migrants on their way arrive first, for scores of two
  /// predictors cannot be compared. Collective.
  void rescore(search::Evaluator& evaluator);
  /// Of the islands farthest behind on this rank.
  std::int64_t generation() const;

  /// Asynchronous mode: whether any rank `wants` all to come together. Never waits.
  bool interrupted(bool wants);
  /// No message between ranks is on its way any more: asynchronous migrants arrive, synchronous ones wait on
  /// the rank of their destination. Collective; before anything else that is, and at the end.
  void settle();

  /// The best `count` individuals over all islands for each budget, without repeats, best first. Collective;
  /// the same everywhere.
  std::vector<std::vector<search::Individual>> elites(int count);
  /// The best `count` of each island for each budget: [budget][island * count + k]; a population of fewer
  /// repeats its last. Collective; the same everywhere.
  std::vector<std::vector<search::Individual>> island_elites(int count);
  /// All history rows so far, sorted by (generation, island, budget). Collective; the same everywhere.
  std::vector<HistoryRow> history();
  /// All fronts, sorted by (budget, island), former members first. Collective; the same everywhere.
  std::vector<FrontRow> fronts();

  /// State of all islands, migrants on their way included, the same on every rank. Collective. `load` accepts
  /// any number of ranks and throws Error(checkpoint) when the islands or budgets are others, or when the
  /// state is one of a program whose migrants arrived at once.
  io::Archive save();
  void load(const io::Archive& archive);

  const Effort& effort() const { return effort_; }
  /// Genomes scored by this rank so far, and those it knew already.
  const search::Scorer& scorer() const { return scorer_; }

 private:
  /// The migrants of one island: [budget].
  using Migrants = std::vector<std::vector<search::Individual>>;
  struct Population {
    std::unique_ptr<search::Algorithm> algorithm;
    search::Front front;
  };
  struct Island {
    int id = 0;
    std::vector<Population> populations;  ///< one per budget
    std::vector<HistoryRow> rows;
    Migrants departed;  ///< from here and on their way; synchronous mode only
    std::int64_t generation() const { return populations.front().algorithm->generation(); }
  };
  /// Migrants from another rank.
  struct Parcel {
    int from = 0;
    std::unique_ptr<comm::Later<comm::Bytes>> bytes;
  };

  double limit_of(const search::Budget& budget, int island, std::int64_t round, std::int64_t rounds) const;
  /// Tells the populations of an archipelago apart, whatever the number of islands and budgets.
  static std::uint64_t population_key(int island, std::size_t budget) {
    return static_cast<std::uint64_t>(island) << 32 | budget;
  }
  int host(int island) const { return host_of(island, comm_->size()); }
  bool goes_to(int source, int island) const {
    const std::vector<int>& targets = targets_[static_cast<std::size_t>(source)];
    return std::ranges::binary_search(targets, island);
  }
  Migrants emigrants(const Island& island) const;
  void immigrate(Island& island, int source, const Migrants& migrants) const;
  void send(const comm::Bytes& bytes, int to, int tag);
  void migrate();
  void depart();
  void unpack();
  void arrive();
  void recall();
  void admit(int source, const Migrants& migrants);
  void send_migrants(const std::vector<Island*>& islands);
  void receive(const comm::Communicator::Message& message);
  void receive_all();
  void record(Island& island) const;
  static void offer(Population& population, const std::vector<search::Individual>& individuals,
                    std::int64_t generation);
  /// The best `count` within budget of every population, [island][budget]. Collective.
  std::vector<Migrants> gather(int count) const;
  /// What `write` writes about every island, in the order of islands. Collective.
  template <class Write, class Read>
  void gather_islands(const Write& write, const Read& read) const;
  /// The islands and budgets, as text.
  std::string shape() const;

  comm::Communicator* comm_;
  const space::SearchSpace* space_;
  std::vector<search::Budget> budgets_;
  ArchipelagoOptions options_;
  std::uint64_t seed_;
  std::string algorithm_;
  std::vector<std::vector<int>> targets_;    ///< of every island
  std::map<int, std::vector<int>> sources_;  ///< islands elsewhere whose migrants come here, by their rank
  std::vector<Island> islands_;              ///< those of this rank
  std::int64_t idle_generation_ = 0;         ///< of a rank without islands
  std::vector<Parcel> parcels_;              ///< on their way to this rank
  std::map<int, Migrants> arriving_;         ///< on their way, but here already, by the island they come from
  search::Scorer scorer_;
  Effort effort_;
  std::vector<std::int64_t> sent_, received_;  ///< asynchronous messages to and from every rank
  bool interrupted_ = false;
};

/// Individuals as bytes and back; `decode` throws Error(environment) on malformed input.
comm::Bytes encode(const std::vector<search::Individual>& individuals);
std::vector<search::Individual> decode(std::span<const std::byte> bytes, const space::SearchSpace& space);

}  // namespace apq::island
