// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <span>
#include <utility>
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

/// Parameters begin..end learn at `rate`, after the first `frozen` epochs.
struct Group {
  std::size_t begin = 0;
  std::size_t end = 0;
  double rate = 0;
  int frozen = 0;
};

/// Adam (Kingma and Ba 2015) with weight decay as part of the gradient; it pulls parameters to `origin`, one
/// number for each.
class Adam {
 public:
  Adam(std::vector<float> origin, double weight_decay)
      : origin_(std::move(origin)),
        first_(origin_.size()),
        second_(origin_.size()),
        weight_decay_(weight_decay) {}
  void step(std::span<const Group> groups, std::span<float> parameters, std::span<const float> gradients);

 private:
  std::vector<float> origin_;
  std::vector<float> first_, second_;  ///< running moments of the gradient
  double weight_decay_;
  int steps_ = 0;
};

/// A sum and how many terms it has.
struct Loss {
  double sum = 0;
  double terms = 0;
  double mean() const { return terms > 0 ? sum / terms : 0; }
};
/// Of a batch, a term per network: squared errors. Adds to `loss`; the gradient of this batch's mean goes
/// into `d_output`.
void squared_error(std::span<const float> outputs, std::span<const float> targets, std::span<float> d_output,
                   Loss& loss);
/// A term per two networks with different targets: log(1 + exp(worse - better)), of their outputs (RankNet,
/// Burges et al. 2005).
void ranking_loss(std::span<const float> outputs, std::span<const float> targets, std::span<float> d_output,
                  Loss& loss);

/// Multiplies the output by `slope` and moves its mean over the samples to that of their targets.
void scale_output(const Shape& shape, double slope, const Samples& samples, std::vector<float>& parameters);

/// Weight decay pulls to `origin`. Leaves the parameters of the epoch with the lowest held-out loss (0: those
/// it was given) and returns that epoch; after a ranking the output is scaled and moved to fit the training
/// targets. Throws Error(numeric) when the loss is no number.
int train(const Shape& shape, const PredictorOptions& options, std::uint64_t seed, int member,
          std::span<const Group> groups, std::vector<float> origin, const Samples& training,
          const Samples& held_out, std::vector<float>& parameters);

}  // namespace apq::predictor
