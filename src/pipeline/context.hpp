// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <functional>
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
#include "apq/search/evolution.hpp"
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
  space::SearchSpace space;
  hw::CostModel costs;
  std::vector<search::Budget> budgets;
  std::vector<space::Genome> smallest;  ///< a genome within each budget
  std::unique_ptr<data::Dataset> data;
  std::string fingerprint;
  std::string stage;

  Context(comm::Communicator& comm, const config::Config& config, fs::path out, fs::path from);

  /// An input artifact: in `out` if it is there, else in `from`; Error(data) naming the stage that makes it.
  fs::path artifact(const std::string& name, const std::string& made_by) const;
  io::CheckpointStore checkpoints() const { return {out / "checkpoints", stage, fingerprint}; }
  /// The newest checkpoint of the stage, read by the root, on every rank. Collective.
  std::optional<io::Archive> restore() const;
  /// Training averages gradients over ranks: its checkpoint continues on as many ranks only.
  void same_ranks(const io::Archive& checkpoint) const;
  /// Collective: true on every rank when any rank was asked to stop.
  bool stop_agreed() const;
  /// Collective, decided by the root: time for a checkpoint?
  bool checkpoint_due();
  [[noreturn]] void stop_early() const;
  supernet::SumOverRanks sum_over_ranks() const {
    return [this](std::span<float> values) { comm.sum(values); };
  }

 private:
  Timer since_checkpoint_;
  double last_checkpoint_ = 0;
};

std::shared_ptr<const hw::Device> make_device(const config::Config& config);
hw::CostModel make_costs(const config::Config& config, const space::SearchSpace& space);

/// Every budget of the configuration and a genome within each. Throws Error(usage) when no network meets one.
void make_budgets(const config::Config& config, const hw::CostModel& costs,
                  std::vector<search::Budget>& budgets, std::vector<space::Genome>& smallest);
/// Evolution and search algorithm as configured.
search::EvolutionOptions make_evolution(const config::SearchOptions& options);

/// Same bytes on every rank.
void broadcast(comm::Communicator& comm, io::Archive& archive);

/// Computes compute(i) for all i in 0..n that `results` lacks, handing items to whoever is idle; results do
/// not depend on who did what. After every round, `save` is called on the root with all results so far, and a
/// stop request ends the run. Collective.
void distribute(Context& context, std::int64_t n, std::map<std::int64_t, double>& results,
                const std::string& title, const std::function<double(std::int64_t)>& compute,
                const std::function<void()>& save);

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
