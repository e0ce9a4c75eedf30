// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace apq::report {

/// Time of one sum over two ranks by bytes, as measured; rising, at least two entries.
using TwoRankSums = std::vector<std::pair<double, double>>;

/// What one phase takes on one rank: measured there, and counted.
struct PhaseWork {
  std::string name;           ///< supernet, collect, predictor, search, finetune
  double seconds = 0;         ///< in all
  double sums = 0;            ///< gradient sums, one per training step
  double sum_bytes = 0;       ///< of each
  double items = 0;           ///< networks measured, each on one rank
  double item_seconds = 0;    ///< of all of them
  double batches = 1;         ///< in which they are handed out; all ranks wait for each
  double refits = 0;          ///< of the predictor, each member on one rank, while the others wait
  double members = 1;         ///< of the predictor
  double refit_seconds = 0;   ///< of all of them
  double islands = 0;         ///< populations; what is left of the time is theirs
  double serial_seconds = 0;  ///< on rank 0 alone, besides refits
};

/// The terms of a phase's time, seconds; their sum is the prediction.
struct Prediction {
  std::map<std::string, double> terms;
  double seconds() const;
  /// The largest term besides "compute", the share that more ranks make shorter; empty when there is none.
  std::string bottleneck() const;
};

/// One sum of that many bytes over that many ranks: latency in log2(ranks) steps, and the volume of a ring or
/// of recursive halving, 2 (ranks - 1) / ranks, both scaled from the measured sum over two.
double sum_seconds(const TwoRankSums& measured, double bytes, double ranks);

/// The time of a phase on `ranks` ranks, of which `cores` can run at once (0: as many as there are ranks).
/// Weak: images, networks and islands grow with the ranks.
Prediction predict(const PhaseWork& work, const TwoRankSums& network, double ranks, bool weak,
                   double cores = 0);

}  // namespace apq::report
