// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apq/comm/communicator.hpp"
#include "apq/config/config.hpp"

namespace apq::pipeline {

struct TransferOptions {
  std::filesystem::path from;  ///< run with pairs_fp32.csv and pairs_int8.csv
  std::filesystem::path out;
  std::vector<int> pairs{50, 100, 200, 500,
                         1000};  ///< int8 pairs to train on; more than there are is left out
  int seeds = 5;
  double test = 0.25;  ///< share of the int8 pairs that is only tested on
};
/// A transferred predictor trained with other options.
struct TransferVariant {
  std::string name;
  predictor::PredictorOptions options;
};

/// Is transfer worth it? Int8 predictors from the float one and from scratch, and the reference predictors,
/// learn from nested random parts of the int8 pairs of source "sample" and are judged on a part that depends
/// on the configuration's seed and the genomes only: it is never trained on, nor used for stopping. Study
/// seeds are those from the configuration's on; each has its own subsets, initial weights and float
/// predictor. Writes transfer_ablation.csv, reference_predictors.csv, with variants transfer_variants.csv,
/// and manifest.json into `out`. Trainings are shared out over the ranks; the files do not depend on their
/// number. Returns what was learned from and tested on, in words. Collective.
std::string study_transfer(comm::Communicator& comm, const config::Config& config,
                           const std::vector<TransferVariant>& variants, const TransferOptions& options);

}  // namespace apq::pipeline
