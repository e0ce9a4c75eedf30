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
  std::filesystem::path out;         ///< run folder; created
  std::filesystem::path from;        ///< where inputs are read; empty: `out`
  std::filesystem::path pairs = {};  ///< pairs that Stage::collect need not measure again; empty: none
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
/// The layers of a genome, first to last.
struct LayerCost {
  space::LayerSpec layer;
  double latency_ms = 0, energy_mj = 0;
  bool counted = true;  ///< by hardware.counting
};
std::vector<LayerCost> cost_breakdown(const config::Config& config, const std::string& genome_text);
/// Rows of a CSV text with the columns cin, cout, size, kernel, stride, groups, wbits, abits; the same rows
/// with latency_ms and energy_mj appended. groups: 1, or cin = cout; a convolution of up to 4 channels with a
/// kernel above 1 is a first layer. Error(data) lists every bad row.
std::string cost_layers(const config::Config& config, const std::string& csv, const std::string& origin);

struct LutOptions {
  std::string device = "cpu";  ///< cpu: measured here; bitfusion: from its model
  std::filesystem::path out;
  std::string format = "apq";  ///< apq or public
  int batch = 1;               ///< images a network computes together
  int repeats = 100;           ///< runs of a network in one round
  int rounds = 6;
};
/// Writes the costs of every layer that the space can reach; measured networks survive a stop. Returns what
/// to say about it (on the root). Collective.
std::string build_table(comm::Communicator& comm, const config::Config& config, const LutOptions& options);
/// What a table holds; Error(data) lists all that is wrong with it and, with a configuration, all it lacks.
std::string check_table(const std::filesystem::path& file, const config::Config* config);

struct ValidateOptions {
  std::filesystem::path table, out;  ///< out: folder for validation.csv
  std::string precision = "int8";
  int networks = 40;
  int batch = 1, repeats = 100, rounds = 6;
};
/// Times random networks as a whole and compares with what the table predicts. Collective.
std::string validate_table(comm::Communicator& comm, const config::Config& config,
                           const ValidateOptions& options);

/// The measured pairs of a run as one file, with the recipe of their labels and who measured them (format:
/// pipeline/pairs_file.hpp). Returns what was written, in words.
std::string export_pairs(const std::filesystem::path& run, const std::filesystem::path& file);
/// Puts such files into a folder that is no run, new or with pairs from earlier files, for --from.
/// Error(data) lists what differs when their space or the recipe of their labels is not the same. A network
/// with several labels gets their mean.
std::string append_pairs(const std::vector<std::filesystem::path>& files,
                         const std::filesystem::path& folder);

/// Measures the saved networks of a run again (test set, integer executor): one line per budget.
/// `network` empty: all of them.
std::string evaluate(const std::filesystem::path& run_folder, const std::string& network);

/// Name and version of the libraries results may depend on, besides MPI: {"oneDNN", "2.6.3"} and the like.
std::vector<std::pair<std::string, std::string>> library_versions();

}  // namespace apq::pipeline
