// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>

#include "apq/comm/communicator.hpp"
#include "apq/config/config.hpp"

namespace apq::pipeline {

struct EngineBench {
  /// train, bf16 (training with bf16 activations), fp32 (evaluation, normalisation folded) or int8
  /// (evaluation); or pairs: what the pair stage does with a float sub-network
  std::string mode = "train";
  int batch = 64;
  int threads = 1;
  double seconds = 5;  ///< of measuring, at least three steps
  bool json = false;
};

/// Speed of the largest network of the configuration's space on random images: images/s, GFLOP/s (a
/// multiply-add is two), time per kind of layer, and efficiency: the sum of each layer's best stand-alone
/// oneDNN primitives over the measured step. Of other sub-networks of the space: seconds of the first step in
/// this warm process over those of the same step again. Text, or one JSON object.
std::string bench_engine(const config::Config& config, const EngineBench& options);
/// Sub-networks a second of the float pair stage, on one process: the networks, and as many images (random
/// ones), as that stage takes with this configuration, and the shares of slicing the supernet, recalibrating,
/// folding and evaluating. `options.batch` is not read. Text, or one JSON object.
std::string bench_pairs(const config::Config& config, const EngineBench& options);

/// Speed of the search's whole loop on all ranks, as configured but for the data: nothing is read, measured
/// or written, and the predictor has the configured size and random weights. Text or JSON on the root.
/// Collective.
std::string bench_search(comm::Communicator& comm, const config::Config& config, int generations, bool json);

/// Messages and bytes of one migration for every topology: as a model says for 1 to `simulate` islands, one
/// rank each, and as counted on the present ranks with the configured islands beside what the model says of
/// them. Text or JSON on the root. Collective.
std::string bench_islands(comm::Communicator& comm, const config::Config& config, int simulate, bool json);

}  // namespace apq::pipeline
