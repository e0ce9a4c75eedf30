// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "apq/nn/buffer.hpp"
#include "apq/nn/integer.hpp"
#include "nn/fused_layer.hpp"

namespace apq::nn {

struct Share;

/// An integer network of fused layers. Each thread takes images of its own through all layers, so few at a
/// time that they stay in its second-level cache; where there are fewer images than threads, the threads
/// share the lines of every layer.
class FusedNetwork {
 public:
  /// Whether FusedLayer supports all layers.
  static bool supports(const IntegerNetwork& network);
  /// `network` is valid, supported and outlives this.
  explicit FusedNetwork(const IntegerNetwork& network);
  /// `observer` as IntegerExecutor::set_observer; with one the threads share every layer.
  void run(const float* x, int batch, float* logits, const std::function<void(int)>& observer);

 private:
  /// Activations of some images.
  struct Workspace {
    AlignedVector<std::uint8_t> bytes[2];  ///< layer i reads the one of its parity and writes the other
    std::vector<AlignedVector<std::int16_t>> streams;  ///< outputs of the layers that have one
  };

  Workspace make_workspace(int images) const;
  int slice() const;
  void forward(Workspace& w, const Share& share, const float* x, int images, float* logits,
               const std::function<void(int)>& observer) const;
  void quantize_image(Workspace& w, const Share& share, const float* x, int images) const;
  void run_layer(std::size_t index, Workspace& w, const Share& share, int images) const;
  void classify(Workspace& w, const Share& share, int images, float* logits) const;

  const IntegerNetwork& network_;
  std::vector<FusedLayer> layers_;
  std::vector<bool> stream_read_;  ///< by a residual connection or the pooling
  std::vector<float> pool_multiplier_;
  std::vector<Workspace> workspaces_;
  int images_ = 0;  ///< that the workspaces are for
};

}  // namespace apq::nn
