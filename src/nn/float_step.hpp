// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "apq/core/progress.hpp"
#include "apq/nn/network.hpp"
#include "nn/range.hpp"

namespace apq::nn {

/// Adds the time since the last lap to a kind's seconds.
class Laps {
 public:
  /// Null: measures nothing.
  explicit Laps(double* seconds) : seconds_(seconds) {}
  void begin() {
    if (seconds_) last_ = timer_.seconds();
  }
  void end(Kind kind) {
    if (!seconds_) return;
    const double now = timer_.seconds();
    seconds_[static_cast<int>(kind)] += now - last_;
    last_ = now;
  }

 private:
  double* seconds_;
  Timer timer_;
  double last_ = 0;
};

/// One or several layers of a network in evaluation, without quantizers, that keep what is between them in a
/// core's first-level cache. The layers outlive this.
class FloatStep {
 public:
  virtual ~FloatStep() = default;
  /// Floats of an image, and lines of its output.
  virtual std::int64_t elements_in() const = 0;
  virtual std::int64_t elements_out() const = 0;
  virtual int lines() const = 0;
  /// Fills weights() floats, aligned, that are read until the next call.
  virtual void pack(float* memory) = 0;
  virtual std::int64_t weights() const = 0;
  /// Some lines of the output of each of some images that follow one another. `scratch`: scratch() floats of
  /// this thread, aligned.
  virtual void run(const float* in, float* out, int images, Range lines, float* scratch,
                   Laps& laps) const = 0;
  virtual std::int64_t scratch() const = 0;
};

/// A dense convolution of the network's input.
std::unique_ptr<FloatStep> dense_step(const Layer& layer, float epsilon);
/// A product of pixels; linear: of images, which are its lines.
std::unique_ptr<FloatStep> product_step(const Layer& layer, float epsilon);
/// Expand, depthwise and project, with or without the input added.
std::unique_ptr<FloatStep> bottleneck_step(const Layer& expand, const Layer& depthwise, const Layer& project,
                                           float epsilon);

}  // namespace apq::nn
