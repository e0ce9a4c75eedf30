// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "apq/predictor/predictor.hpp"
#include "predictor/perceptron.hpp"

namespace apq::predictor {

/// Inputs of some pairs and their normalised targets.
struct Samples {
  std::vector<std::vector<std::int32_t>> slots;
  std::vector<float> targets;
  std::size_t size() const { return targets.size(); }
};

/// Parameters begin..end learn at `rate`.
struct Group {
  std::size_t begin = 0;
  std::size_t end = 0;
  double rate = 0;
};

/// Adam (Kingma and Ba 2015) with weight decay as part of the gradient.
class Adam {
 public:
  Adam(std::size_t size, double weight_decay) : first_(size), second_(size), weight_decay_(weight_decay) {}
  void step(std::span<const Group> groups, std::span<float> parameters, std::span<const float> gradients);

 private:
  std::vector<float> first_, second_;  ///< running moments of the gradient
  double weight_decay_;
  int steps_ = 0;
};

/// Mean squared error.
double loss(const Shape& shape, std::span<const float> parameters, const Samples& samples);

/// Leaves the parameters of the epoch with the lowest held-out loss (0: those it was given) and returns that
/// epoch. Throws Error(numeric) when the loss is no number.
int train(const Shape& shape, const PredictorOptions& options, std::uint64_t seed, int member,
          std::span<const Group> groups, const Samples& training, const Samples& held_out,
          std::vector<float>& parameters);

}  // namespace apq::predictor
