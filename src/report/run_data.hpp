// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apq/hw/cost_model.hpp"

namespace apq::report {

/// A figure that a run may not have (yet).
using Figure = std::optional<double>;

struct Network {
  std::string budget;    ///< "latency_ms <= 0.15"
  Figure latency_limit;  ///< when the budget bounds latency
  std::string genome;
  std::array<Figure, hw::kMetrics> cost;
  Figure predicted, validation, test;  ///< accuracies, fractions
};

/// One line of pareto.csv: a network the search measured.
struct Measured {
  std::string source;  ///< islands, random, uniform
  std::string budget;
  bool front = false;
  double latency_ms = 0, predicted = 0, validation = 0;
};

/// Best predicted accuracy of a budget at one generation, over islands.
struct Progress {
  double generation = 0, mean = 0, lowest = 0, highest = 0;
};

struct StageRow {
  std::string name;
  Figure seconds, peak_rss_mb;
};

struct QualityRow {
  std::string predictor;
  Figure pairs, epochs, rmse, kendall_tau, spearman, pairwise_accuracy;
};

/// All of a run folder that a report shows.
struct RunData {
  std::string name;
  std::vector<std::pair<std::string, std::string>> provenance;
  std::string config_text;
  std::vector<StageRow> stages;
  std::vector<Network> networks;
  std::vector<std::pair<std::string, Figure>> search;  ///< name and value as in summary.json
  std::vector<Measured> measured;
  std::vector<std::pair<std::string, std::vector<Progress>>> history;  ///< by budget
  std::vector<QualityRow> quality;
  std::vector<std::string> missing;  ///< files that were not there

  Figure search_figure(const std::string& name) const;
};

/// Throws Error(data) when there is no folder or no summary.json in it, or when a file is damaged.
RunData read_run(const std::filesystem::path& folder);
/// Only what the table of networks needs.
RunData read_summary(const std::filesystem::path& folder);

}  // namespace apq::report
