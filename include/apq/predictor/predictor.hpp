// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "apq/space/search_space.hpp"

namespace apq::predictor {

/// A network and its measured accuracy (a fraction).
struct Pair {
  space::Genome genome;
  double accuracy = 0;
};

struct PredictorOptions {
  int members = 1;                 ///< perceptrons that differ in initial weights and order; the mean counts
  int hidden = 400;                ///< units of each of the three hidden layers
  int epochs = 200;                ///< at most; early stopping on the held-out part
  int patience = 20;               ///< epochs without a better held-out loss before stopping
  int batch = 64;                  ///< pairs per step
  std::string loss = "mse";        ///< mse, or ranking: which of two networks of a batch is better
  double learning_rate = 1e-3;     ///< Adam
  double weight_decay = 0.1;       ///< part of the gradient; to 0, transferred weights to their start
  double held_out = 0.2;           ///< share of the pairs kept for stopping and quality figures
  double trunk_rate = 0.3;         ///< learning rate of transferred weights, relative
  int frozen_epochs = 0;           ///< at the start, in which transferred weights do not learn
  bool bits_after_relu = false;    ///< add the bit map after the first ReLU, as the public code does
  bool transfer = true;            ///< start the quantization-aware predictor from the fp32 one
  std::string inference = "fp32";  ///< numbers of the hidden products in `predict`: fp32, bf16, int8

  bool operator==(const PredictorOptions&) const = default;
};

std::vector<std::string> losses();

/// How well predictions agree with measurements. Figures that do not exist (fewer than two networks, all
/// equal) are 0.
struct Quality {
  int pairs = 0;                 ///< they are computed on
  int epochs = 0;                ///< trained up to the weights kept
  double rmse = 0;               ///< root of the mean squared error, a fraction
  double kendall_tau = 0;        ///< tau-b, which allows for ties
  double spearman = 0;           ///< with mean ranks for ties
  double pairwise_accuracy = 0;  ///< share of pairs of networks ranked as measured; ties in the measurement
                                 ///< left out, ties in the prediction count half
};
/// Everything but `epochs`.
Quality quality(std::span<const double> predicted, std::span<const double> measured);

/// Processes that share the training of an ensemble: this one trains the members rank, rank + size and so on.
/// `exchange(members)` then gives every process the numbers that the others trained, and fails on all when it
/// fails on one.
struct Team {
  int rank = 0;
  int size = 1;
  std::function<void(std::vector<std::vector<float>>& members)> exchange = [](auto&) {};
};

/// Multi-layer perceptron of APQ section 3.2: one-hot slots -> hidden -> hidden -> hidden -> 1, ReLU between.
/// The quantization-aware form has the same trunk and one more input map for the bit slots, added before the
/// first ReLU (or, `bits_after_relu`, after it, without a ReLU of its own). The first layer is a sum of rows
/// picked by genes. Targets are normalised inside. An ensemble is several of them trained on the same pairs;
/// their mean errs less, and a search that looks for the highest prediction finds fewer errors. The space
/// must outlive the predictor.
class Predictor {
 public:
  Predictor() = default;
  /// He normal weights drawn from the seed (a tenth of that in the first layer), biases 0. Throws
  /// Error(usage) for options that make no sense.
  Predictor(const space::SearchSpace& space, bool with_bits, const PredictorOptions& options,
            std::uint64_t seed);
  bool with_bits() const { return with_bits_; }
  bool trained() const { return trained_; }

  /// Trains from the present weights with Adam and keeps those of the best held-out epoch, for each member;
  /// the figures are of the mean on the held-out pairs, `epochs` is the longest. Loss "ranking" leaves scale
  /// and level of a member's output open: it becomes an accuracy by the straight line that fits the pairs
  /// trained on best (least squares), and the figures, RMSE too, are of that. Whether a pair is held out
  /// depends on seed and genome only: never on the other pairs, so what was trained on is not tested on after
  /// more pairs came in. Fewer than 10 pairs (or held-out ones fewer than 2) are all used for both. Throws
  /// Error(data) for no pairs, Error(numeric) for an accuracy that is no number and when training diverges. A
  /// team of processes with the same pairs ends with the predictor of one that is alone.
  Quality fit(std::span<const Pair> pairs, const Team& team = {});
  /// Takes over trunk and output of a trained fp32 predictor of the same space, `hidden` and members (APQ
  /// section 3.3); the bit map keeps its random initialisation. `fit` then starts from the accuracies that
  /// the fp32 predictor tells, moved as a whole to the mean of the pairs; what was taken over learns at
  /// `trunk_rate`, and weight decay pulls all weights to that start (L2-SP, Li et al. 2018) instead of to 0.
  void transfer_from(const Predictor& fp32);

  /// Predicted accuracy of each genome with the numbers of `inference` (nn/mlp.hpp): the same bits however
  /// genomes are batched, on whatever rank and number of threads.
  void predict(std::span<const space::Genome> genomes, std::span<double> accuracy) const;
  /// How far the members are apart: standard deviation of their predictions of each genome, a fraction; 0 of
  /// a single member. As independent of batches as `predict`.
  void spread(std::span<const space::Genome> genomes, std::span<double> deviation) const;

  /// All numbers, for broadcasting and saving, in this order: of every member first layer [slots][hidden] and
  /// bias [hidden], second [hidden][hidden] and bias, third [hidden][hidden] and bias, output [hidden] and
  /// bias; then mean and deviation of the targets, 1 if transferred (else 0). `load` throws Error(checkpoint)
  /// for another shape.
  std::vector<float> weights() const;
  void load(std::span<const float> weights);

 private:
  struct Inference;

  /// Hands out every member's normalised predictions.
  void ask_members(std::span<const space::Genome> genomes,
                   const std::function<void(std::span<const float>)>& take) const;

  const space::SearchSpace* space_ = nullptr;
  PredictorOptions options_;
  std::uint64_t seed_ = 0;
  bool with_bits_ = false;
  bool transferred_ = false;
  bool trained_ = false;
  std::vector<std::vector<float>> members_;       ///< parameters of each perceptron
  float mean_ = 0;                                ///< of the targets
  float deviation_ = 1;                           ///< of the targets
  mutable std::shared_ptr<Inference> inference_;  ///< made from the members when first needed
};

}  // namespace apq::predictor
