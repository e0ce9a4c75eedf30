// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>

#include "apq/config/config.hpp"

namespace apq::pipeline {

struct EngineBench {
  std::string mode = "train";  ///< train, fp32 (evaluation, normalisation folded) or int8 (evaluation)
  int batch = 64;
  int threads = 1;
  double seconds = 5;  ///< of measuring, at least three steps
  bool json = false;
};

/// Speed of the largest network of the configuration's space on random images: images/s, GFLOP/s (a
/// multiply-add is two), time per kind of layer, and efficiency: the sum of each layer's best stand-alone
/// oneDNN primitives over the measured step. Text, or one JSON object.
std::string bench_engine(const config::Config& config, const EngineBench& options);

}  // namespace apq::pipeline
