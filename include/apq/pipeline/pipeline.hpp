// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "apq/comm/communicator.hpp"
#include "apq/config/config.hpp"

namespace apq::pipeline {

/// The stages in order; each reads and writes named artifacts of run folders.
enum class Stage { supernet, collect, predictor, search, finetune };
inline constexpr Stage kStages[] = {Stage::supernet, Stage::collect, Stage::predictor, Stage::search,
                                    Stage::finetune};
const char* stage_name(Stage stage);

struct RunOptions {
  std::filesystem::path out;   ///< run folder; created
  std::filesystem::path from;  ///< where inputs are read; empty: `out`
  bool resume = false;
  std::vector<Stage> stages;  ///< empty: all
};

/// Runs stages on all ranks. Refuses a folder that holds another or an unfinished run unless `resume`; a
/// finished run is said to be finished and left alone. Throws StoppedEarly after saving when a stop was asked
/// for.
void run(comm::Communicator& comm, const config::Config& config, const RunOptions& options);

/// Dry run: validates data and budgets, returns text with the space's size, the reachable cost range of each
/// metric, and estimates of memory.
std::string check(const config::Config& config);

/// Costs of a genome given as text: all metrics and the layers' shares.
std::string cost_table(const config::Config& config, const std::string& genome_text, bool breakdown);

/// Measures the saved networks of a run again (test set, integer executor): one line per budget.
/// `network` empty: all of them.
std::string evaluate(const std::filesystem::path& run_folder, const std::string& network);

/// Name and version of the libraries results may depend on, besides MPI: {"oneDNN", "2.6.3"} and the like.
std::vector<std::pair<std::string, std::string>> library_versions();

}  // namespace apq::pipeline
