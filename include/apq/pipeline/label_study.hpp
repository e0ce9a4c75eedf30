// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "apq/comm/communicator.hpp"
#include "apq/config/config.hpp"

namespace apq::pipeline {

struct LabelOptions {
  std::filesystem::path from;  ///< run with supernet.ckpt
  std::filesystem::path out;
  int networks = 24;
  std::vector<std::int64_t> steps{0, 50, 200, 500};  ///< int8 recipes: pairs.qat with so many steps
  std::vector<double> epochs{1};                     ///< and with so many epochs
  double reference_epochs = 0;  ///< the int8 reference: finetune.qat with so many; 0: finetune.epochs
  int repeats = 2;  ///< labels of a network by each of `steps` (but 0), each with another order of the data
  std::vector<int> recalibration{128, 256, 512, 1024, 2048};       ///< fp32 recipes: training images, and
  std::vector<std::int64_t> validation{500, 1000, 2500, 5000, 0};  ///< validation images, 0: all
};

/// How good are short labels? Labels networks that are spread over the space by every recipe and by a
/// reference: for int8 a full fine-tuning, for fp32 the most images. The networks are drawn as int8 pairs
/// are, sixteen times as many as wanted; sorted by BitOps and cut into parts of equal number, each part gives
/// its middle one. Labels are shared out over the ranks, cheap recipes first and networks of all sizes by
/// turns, so that an unfinished study is one of fewer networks or recipes. Every label is saved at once in
/// labels.csv in `out`, where the same command goes on after a stop (StoppedEarly). But for the seconds the
/// file does not depend on the number of ranks. Returns what was labelled, in words. Collective.
std::string study_labels(comm::Communicator& comm, const config::Config& config, const LabelOptions& options);

}  // namespace apq::pipeline
