// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "apq/core/random.hpp"
#include "apq/data/dataset.hpp"
#include "apq/nn/network.hpp"
#include "apq/nn/ops.hpp"
#include "apq/quant/quantizer.hpp"
#include "apq/space/search_space.hpp"

namespace apq::supernet {

/// The once-for-all network (Cai et al. 2020): weights of the largest network of the space; every sub-network
/// uses corners of them. Depth: the first d blocks of a stage. Width: the first channels, kept sorted by
/// importance. Kernel: the centre of the next larger kernel times a learned matrix shared by a block's
/// channels.
class Supernet {
 public:
  Supernet(const space::SearchSpace& space, std::uint64_t seed);

  /// Sub-network of a genome as views into the shared weights (bits are ignored). Derived kernels are
  /// computed into buffers of this object: only one sub-network is valid at a time. Its mean and variance
  /// entries are per supernet, not per sub-network: recalibrate before evaluating.
  const nn::Network& select(const space::Genome& genome);
  /// After a backward pass of the selected network: carries gradients of derived kernels to the stored ones.
  void finish_backward();

  /// Sorts middle channels of every block by the L1 norm of their projection weights; the largest network's
  /// function is unchanged.
  void sort_channels();

  std::span<float> values() { return values_; }
  std::span<float> grads() { return grads_; }
  std::span<float> velocity() { return velocity_; }
  std::span<float> statistics() { return statistics_; }
  /// The first that many values get weight decay.
  std::size_t decayed() const { return decayed_; }
  const space::SearchSpace& space() const { return *space_; }

  struct Slot {
    std::size_t offset = 0;
    int rows = 0, ld = 0;
  };
  struct LayerSlots {
    Slot weight, gamma, beta;
    std::size_t statistics = 0;  ///< mean; variance follows after `channels`
    int channels = 0;
    std::vector<Slot> transforms;  ///< depthwise: matrix from kernels[i+1]^2 to kernels[i]^2
    std::vector<int> kernels;      ///< ascending
  };

 private:
  void derive_kernel(const LayerSlots& slots, nn::Layer& layer);

  const space::SearchSpace* space_;
  nn::AlignedVector<float> values_, grads_, velocity_, statistics_;
  std::size_t decayed_ = 0;
  std::vector<LayerSlots> fixed_;                ///< stem, first block, head, classifier in expand order
  std::vector<std::vector<LayerSlots>> blocks_;  ///< expand, depthwise, project of each block
  nn::Network current_;
  /// A kernel smaller than the stored one: per step of the chain (next smaller first) the centre of the
  /// larger kernel and its transform.
  struct Derived {
    const LayerSlots* slots = nullptr;
    int kernel = 0;
    std::vector<nn::AlignedVector<float>> centres, values;
    nn::AlignedVector<float> grad;
    int channels = 0;
  };
  std::vector<Derived> derived_;
};

struct TrainOptions {
  std::string mode = "sandwich";   ///< sandwich (BigNAS) or progressive (once-for-all)
  std::string precision = "fp32";  ///< fp32 or bf16: nn::Storage of activations and gradients
  double epochs = 10;
  double warmup_epochs = 1;    ///< largest network only, then channels are sorted
  int batch = 64;              ///< images per rank and step
  int random_subnets = 2;      ///< sandwich: random sub-networks beside the largest and the smallest
  double learning_rate = 0.1;  ///< peak; linear ramp over the first 2 %, cosine to 0
  double momentum = 0.9;
  double weight_decay = 4e-5;
  double label_smoothing = 0.1;
  double distillation = 1.0;   ///< weight of the largest network's soft labels for sub-networks
  double gradient_clip = 5.0;  ///< limit of the gradient's norm; 0 = none
};

/// Sums an array over ranks in place; the identity on one rank.
using SumOverRanks = std::function<void(std::span<float>)>;

/// Trains step by step, so that the caller can checkpoint and stop between steps. All ranks draw the same
/// sub-networks and average gradients once a step; rank r of n takes its own part of every global batch.
class Trainer {
 public:
  Trainer(Supernet& net, const data::Dataset& data, const TrainOptions& options, std::uint64_t seed, int rank,
          int ranks, SumOverRanks sum);
  std::int64_t steps() const { return steps_; }
  std::int64_t step() const { return step_; }
  bool done() const { return step_ >= steps_; }
  /// One optimiser step; returns the loss of the largest network on this rank's images. Throws Error(numeric)
  /// when not finite.
  double advance();
  /// Everything besides the supernet's values and velocity that a resume needs.
  void set_step(std::int64_t step) { step_ = step; }

 private:
  std::vector<space::Genome> subnets_of_step() const;

  Supernet* net_;
  const data::Dataset* data_;
  TrainOptions options_;
  std::uint64_t seed_;
  int rank_, ranks_;
  SumOverRanks sum_;
  std::int64_t steps_ = 0, warmup_steps_ = 0, step_ = 0;
  nn::Executor executor_;
  std::vector<float> x_, teacher_, dlogits_;
  std::vector<std::int32_t> labels_;
};

struct RecalibrationOptions {
  int images = 1024;  ///< training images for batch statistics
  int batch = 128;
};
/// Recomputes the selected network's statistics from plain training images (the same ones every time).
void recalibrate(const nn::Network& network, const data::Dataset& data, const RecalibrationOptions& options,
                 nn::Executor& executor);

/// Float accuracy on the first `images` validation images (0 = all).
double validate(const nn::Network& network, const data::Dataset& data, std::int64_t images,
                nn::Executor& executor);

/// Bits of every layer of the expanded genome, in network order.
std::vector<quant::LayerBits> layer_bits(const space::SearchSpace& space, const space::Genome& genome);

struct QatOptions {
  std::int64_t steps = 200;
  int batch = 64;                ///< images per rank and step
  double learning_rate = 0.005;  ///< cosine to 0
  double momentum = 0.9;
  double weight_decay = 4e-5;
  double label_smoothing = 0.1;
  double distillation = 0;  ///< weight of the largest network's soft labels, the hard ones have the rest
  int calibration_images = 256;
  int batch_statistics_images = 1024;
  std::uint64_t data_order = 0;  ///< another one: the training images in another order
};

/// The largest network of a supernet, in float and folded: the teacher of all quantization-aware training.
/// All networks see the same batches, so what it says of a batch is kept for the next one.
class Teacher {
 public:
  Teacher(Supernet& net, const data::Dataset& data, int batch_statistics_images, nn::Executor& executor);
  int batch_statistics_images() const { return batch_statistics_images_; }
  /// Its softmax [batch][classes] of x: the batch of that index in that order of the data. Valid until the
  /// next call.
  const float* soft_labels(std::uint64_t data_order, std::int64_t index, int batch, const float* x,
                           nn::Executor& executor);

 private:
  using Key = std::tuple<std::uint64_t, std::int64_t, int>;  ///< data order, index and size of a batch

  int batch_statistics_images_;
  nn::Model model_;
  std::map<Key, std::vector<float>> known_;
  std::size_t floats_ = 0;      ///< in known_
  std::vector<float> scratch_;  ///< for a batch that finds no room there
};

/// Quantization-aware training of one extracted sub-network (APQ section 3.3 and the code's schedule):
/// recalibrate, fold normalisation, calibrate quantizers, train with straight-through rounding; with
/// distillation the largest network of the supernet, in float, is the teacher. All networks see the same
/// images in the same order, so that their accuracies differ by what they are and less by what they happened
/// to see. With one rank and the identity sum the result depends on the genome, weights, data and options
/// only. `teacher` is one of this supernet with as many images for its statistics, shared by trainers; null:
/// one of its own, when there is distillation.
class QatTrainer {
 public:
  QatTrainer(Supernet& net, const space::Genome& genome, const data::Dataset& data, const QatOptions& options,
             int rank, int ranks, SumOverRanks sum, nn::Executor& executor,
             std::shared_ptr<Teacher> teacher = nullptr);
  std::int64_t step() const { return step_; }
  bool done() const { return step_ >= options_.steps; }
  double advance();
  nn::Model& model() { return model_; }
  std::vector<float>& velocity() { return velocity_; }
  void set_step(std::int64_t step) { step_ = step; }

 private:
  nn::Model model_;
  std::shared_ptr<Teacher> teacher_;
  const data::Dataset* data_;
  QatOptions options_;
  int rank_, ranks_;
  SumOverRanks sum_;
  nn::Executor* executor_;
  std::int64_t step_ = 0;
  std::vector<float> velocity_, x_, dlogits_;
  std::vector<std::int32_t> labels_;
};

/// Accuracy of an integer network on the first `images` validation images (0 = all).
double validate_integer(const nn::IntegerNetwork& network, const data::Dataset& data, std::int64_t images);

}  // namespace apq::supernet
