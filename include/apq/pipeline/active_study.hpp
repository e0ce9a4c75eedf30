// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>

#include "apq/comm/communicator.hpp"
#include "apq/config/config.hpp"

namespace apq::pipeline {

struct ActiveOptions {
  std::filesystem::path from;   ///< run with supernet.ckpt and pairs_fp32.csv
  std::filesystem::path pairs;  ///< folder with pairs_int8.csv to draw from and pairs.txt; empty: `from`
  std::filesystem::path out;
  int start = 50;         ///< random int8 pairs that everybody has
  int seeds = 3;          ///< repeats, each with pairs, predictors and islands of its own
  int limits = 4;         ///< at which the front of a budget is read
  int repeats = 1;        ///< measurements of each network of a front, with images in different orders
  double reference = -1;  ///< accuracy above which the hypervolume counts; negative: the least of all pairs
};

/// Is it worth letting the search choose what is measured? For every seed these searches:
///
///   active  from `start` random pairs; buys labels of its elites as configured (the search stage as it is)
///   good    the same with search.exploration 0; only when that is not 0
///   chosen  from the pairs active had in the end; buys nothing
///   random  from as many pairs, the bought ones replaced by random ones of the pool; buys nothing
///   start   from the `start` pairs; buys nothing
///
/// The front each predicts is read at limits in equal steps from a budget's floor to its limit (the most
/// accurate network within each) and measured with training images in orders that no predictor learned from.
/// Study seeds are those from the configuration's on; data and supernet are the same for all. Writes
/// active_learning.csv (a row per seed and arm), active_front.csv (a row per network), manifest.json,
/// labels.csv (every measurement of a front, kept at once) and the searches' folders into `out`; the same
/// command continues a stopped study, and more seeds or repeats go on from it. The files do not depend on the
/// number of ranks. Returns the setting in words. Collective.
std::string study_active(comm::Communicator& comm, const config::Config& config,
                         const ActiveOptions& options);

}  // namespace apq::pipeline
