// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apq/comm/communicator.hpp"
#include "apq/config/config.hpp"
#include "apq/core/progress.hpp"
#include "apq/data/dataset.hpp"
#include "apq/hw/cost_model.hpp"
#include "apq/io/archive.hpp"
#include "apq/io/manifest.hpp"
#include "apq/predictor/predictor.hpp"
#include "apq/search/algorithm.hpp"
#include "apq/space/search_space.hpp"
#include "apq/supernet/supernet.hpp"

namespace apq::pipeline {

namespace fs = std::filesystem;

/// What every stage of one run shares on one rank.
struct Context {
  comm::Communicator& comm;
  const config::Config& config;
  fs::path out;
  fs::path from;
  fs::path pairs = {};  ///< folder with pairs that need not be measured again; empty: none
  space::SearchSpace space;
  hw::CostModel costs;
  std::vector<search::Budget> budgets;
  std::shared_ptr<const data::Dataset> data;
  std::string fingerprint;
  std::string stage;
  /// What this stage counted and timed, by name; the root's goes into stages.json, where scaling studies read
  /// it.
  mutable std::map<std::string, double> work;

  Context(comm::Communicator& comm, const config::Config& config, fs::path out, fs::path from);
  /// Of another run folder on the same data, whatever the configuration's seed; space and budgets as before.
  Context(const Context& other, const config::Config& config, fs::path out);

  /// A stage begins, with an empty journal.
  void begin(const std::string& name);
  /// An input artifact: in `out` if it is there, else in `from`; Error(data) naming the stage that makes it.
  fs::path artifact(const std::string& name, const std::string& made_by) const;
  io::CheckpointStore checkpoints() const { return {out / "checkpoints", stage, fingerprint}; }
  /// Root: writes a checkpoint of the stage, the journal included. When that fails (a full disk, say) while
  /// an older one exists, the run goes on and tries again when the next is due.
  void save(std::int64_t sequence, io::Archive state);
  /// The newest checkpoint of the stage, read by the root, on every rank; the journal goes back to it.
  /// Collective.
  std::optional<io::Archive> restore();
  /// Root: a line for the log and for the stage's journal, which after any number of kills and resumes holds
  /// the same bytes as that of an uninterrupted run. So: what was found, no times, no ranks.
  void note(const std::string& line);
  /// Into the journal only.
  void note_quietly(const std::string& line);
  /// Root: journal/<stage>.txt.
  void write_journal() const;
  /// Training averages gradients over ranks: its checkpoint continues on as many ranks only.
  void same_ranks(const io::Archive& checkpoint) const;
  /// Collective: true on every rank when any rank was asked to stop.
  bool stop_agreed() const;
  /// Collective, decided by the root: time for a checkpoint?
  bool checkpoint_due();
  /// The same for the root alone.
  bool checkpoint_due_here();
  [[noreturn]] void stop_early() const;
  supernet::SumOverRanks sum_over_ranks() const {
    return [this](std::span<float> values) {
      const Timer timer;
      comm.sum(values);
      work["sum_seconds"] += timer.seconds();
      work["sums"] += 1;
      work["summed_values"] += static_cast<double>(values.size());
    };
  }

 private:
  Timer since_checkpoint_;
  double last_checkpoint_ = 0;
  std::string failed_save_;  ///< why the last checkpoint could not be written
  std::string journal_;
};

/// "apq 0.1.0 on avx512_vnni, oneDNN 2.6.3, ...": what byte-equal results depend on besides configuration and
/// data.
std::string maker();

/// The i-th network to measure int8 accuracy of. One in (budgets + 1) is free, the others lie within a budget
/// each, where the search will look.
space::Genome pair_genome(const Context& context, Purpose purpose, std::int64_t i);

/// Same bytes on every rank.
void broadcast(comm::Communicator& comm, io::Archive& archive);

/// Error(environment) unless all ranks run the same program with the same configuration on the same kind of
/// CPU. Collective.
void check_alike(comm::Communicator& comm, const config::Config& config);
io::Manifest make_manifest(const comm::Communicator& comm, const config::Config& config);

/// The root's pairs on every rank. Collective.
std::vector<predictor::Pair> pairs_of_root(comm::Communicator& comm, const space::SearchSpace& space,
                                           const std::vector<predictor::Pair>& pairs);

/// Fits a predictor to the root's pairs. The root trains it, or its members are trained on all ranks at once;
/// at the end every rank has the same one. Collective.
predictor::Quality fit(comm::Communicator& comm, const space::SearchSpace& space,
                       predictor::Predictor& predictor, const std::vector<predictor::Pair>& pairs);

/// The trained supernet of the run. Collective.
std::unique_ptr<supernet::Supernet> load_supernet(const Context& context);

/// Lines of `now` that `before` lacks and the other way round, for a message.
std::string differing_lines(const std::string& before, const std::string& now);

void run_supernet(Context& context);
void run_collect(Context& context);
void run_predictor(Context& context);
void run_search(Context& context);
void run_finetune(Context& context);

}  // namespace apq::pipeline
