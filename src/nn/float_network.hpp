// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "apq/nn/buffer.hpp"
#include "apq/nn/network.hpp"
#include "nn/float_step.hpp"

namespace apq::nn {

struct Share;

/// Evaluation of float networks whose layers are steps (FloatStep). Each thread takes images of its own
/// through all of them, so few at a time that they stay in its second-level cache; where there are fewer
/// images than threads, the threads share the lines of every step. The bits are those of the layers one by
/// one, whatever the number of threads or images.
class FloatNetwork {
 public:
  /// Whether it is a dense stem, inverted bottlenecks, products and a classifier, without quantizers.
  static bool supports(const Network& network);
  /// x: [batch][size][size][channels], logits: [batch][classes]. The network is supported. Profile: null or
  /// what gets the threads' mean times.
  void run(const Network& network, const float* x, int batch, float* logits, Profile* profile);

 private:
  /// One thread's activations of some images, a step reading the one and writing the other.
  struct Workspace {
    Scratch<float> activations[2], gathered, pooled, scratch;
    Profile profile;
  };

  void prepare(const Network& network, int images);
  void reserve(Workspace& w) const;
  void forward(Workspace& w, const Share& share, const float* x, int images, float* logits, float* scratch,
               Laps& laps) const;
  void classify(Workspace& w, const float* features, int images, float* logits, Laps& laps) const;

  std::vector<std::unique_ptr<FloatStep>> steps_;  ///< the last is the classifier
  std::size_t gathering_ = 0;  ///< images go through the steps before this one by one, then together
  int group_ = 1;              ///< how many together
  std::int64_t pixels_ = 1;    ///< that the classifier's input is the mean of
  int channels_ = 0;
  Scratch<float> weights_;
  std::vector<Workspace> workspaces_;
};

}  // namespace apq::nn
