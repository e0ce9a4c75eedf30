// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "apq/data/dataset.hpp"
#include "apq/hw/cost_model.hpp"
#include "apq/nn/integer.hpp"
#include "pipeline/context.hpp"

namespace apq::pipeline {

/// One row of the final table.
struct FinalNetwork {
  config::BudgetOptions budget;
  std::string genome;
  hw::Cost cost;
  double predicted = 0, validation = 0, test = 0;
  std::string file;  ///< below the run folder
};

/// Accuracy of the integer network on a whole image set.
double test_accuracy(const nn::IntegerNetwork& network, const data::Dataset& data,
                     const data::ImageSet& test);

void write_best(const fs::path& path, const std::vector<FinalNetwork>& networks);
std::string finals_json(const std::vector<FinalNetwork>& networks);

/// What one stage took, over all its runs.
struct StageRecord {
  std::string name;
  double seconds = 0;
  double peak_rss_mb = 0;                     ///< of the largest rank
  std::vector<double> rank_peak_rss_mb = {};  ///< of every rank, in the last run of the stage
  bool done = false;
  std::map<std::string, double> work = {};  ///< see Context::work; of the last start only
};
std::vector<StageRecord> read_stages(const fs::path& out);
void write_stages(const fs::path& out, const std::vector<StageRecord>& stages);

/// summary.json from the artifacts in the run folder, as far as they exist.
void write_summary(const Context& context, const std::vector<StageRecord>& stages);

}  // namespace apq::pipeline
