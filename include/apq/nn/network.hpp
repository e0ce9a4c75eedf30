// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apq/nn/buffer.hpp"

namespace apq::nn {

enum class Kind { dense, pointwise, depthwise, linear };

/// A trainable array somewhere in memory. `grad` may be null when nothing is trained.
struct Param {
  float* value = nullptr;
  float* grad = nullptr;
  int ld = 0;
};

/// Fake quantization of a layer's input. bits = 0: none. Step = alpha / levels(bits, is_signed).
struct InputQuantizer {
  int bits = 0;
  bool is_signed = false;
  Param alpha;  ///< one value
};

/// One convolution (or the classifier) with what follows it. Layout and padding as in ops.hpp.
struct Layer {
  Kind kind = Kind::pointwise;
  int cin = 0, cout = 0, size = 0, kernel = 1, stride = 1;
  bool relu6 = false;
  int residual_from = -1;  ///< the input of that layer is added to this one's output

  Param weight;
  /// Normalisation: gamma and beta with `mean`, `variance` for evaluation; or, when gamma.value is null, a
  /// plain bias in beta.
  Param gamma, beta;
  float* mean = nullptr;
  float* variance = nullptr;

  InputQuantizer input_quantizer;
  /// Weight fake quantization: bits = 0: none; otherwise one step per output channel.
  int weight_bits = 0;
  const float* weight_steps = nullptr;

  int size_out() const { return (size + stride - 1) / stride; }
};

/// A chain of layers; global average pooling stands before the first linear layer. Views only: the numbers
/// live in a supernet or a Model.
struct Network {
  std::vector<Layer> layers;
  int input_size = 0, input_channels = 0, classes = 0;
  float epsilon = 1e-3f;  ///< of the normalisation
};

enum class Mode {
  train,       ///< batch statistics, keeps what backward needs
  statistics,  ///< batch statistics, accumulated for recalibration
  evaluate,    ///< stored statistics
};

/// How an executor keeps activations and their gradients in memory: bf16 halves the traffic. It sums in
/// float, as it keeps weights, statistics and the gradients of weights. What 1x1 convolutions multiply is
/// rounded to bf16 too where the CPU is faster with it (AMD's with AVX512_BF16), elsewhere all is computed in
/// float.
enum class Storage { fp32, bf16 };

/// Seconds spent in the layers' passes, by Kind, forward and backward.
struct Profile {
  double seconds[4] = {};
  double folding = 0;  ///< evaluation: normalisations into scales, weights into the kernels' order
};

/// Runs networks forward and backward; owns activations, which only grow, so that changing sub-networks cost
/// no allocation. One executor per process; single caller.
class Executor {
 public:
  /// Quantizers and observers want fp32.
  explicit Executor(Storage storage = Storage::fp32);
  ~Executor();

  /// x: [batch][size][size][channels]. Returns logits [batch][classes], valid until the next call.
  const float* forward(const Network& network, const float* x, int batch, Mode mode);
  /// After forward in Mode::train of the same network and x; adds to every grad that is not null.
  void backward(const Network& network, const float* x, const float* dlogits);

  /// Recalibration (once-for-all, section 3.3): begin, forward in Mode::statistics over some batches, end.
  /// `end` writes the averages to each layer's mean and variance.
  void begin_statistics(const Network& network);
  void end_statistics(const Network& network);

  /// Called in Mode::evaluate with the float input of every layer, before its input quantizer.
  using Observer = std::function<void(int layer, const float* input, std::int64_t rows, int channels)>;
  void set_observer(Observer observer);
  /// Adds times to `profile` until it is set to null.
  void set_profile(Profile* profile);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

/// A network that owns its numbers. Decayed weights come first in `values`.
struct Model {
  Network network;
  AlignedVector<float> values, grads;
  AlignedVector<float> statistics;    ///< means and variances
  AlignedVector<float> weight_steps;  ///< of the weight quantizers
  std::size_t decayed = 0;

  Model() = default;
  Model(Model&&) = default;
  Model& operator=(Model&&) = default;
  Model(const Model&) = delete;
};

/// Copies a network's values (corner slices become dense) into a Model of its own, grads zero.
/// Quantizers are copied with their alphas; weight steps too.
Model copy_model(const Network& network);
/// The same function without normalisation: gamma, beta, mean, variance folded into weight and bias.
Model fold_normalisation(const Network& network);

}  // namespace apq::nn
