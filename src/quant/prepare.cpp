// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <vector>

#include "apq/core/error.hpp"
#include "apq/nn/ops.hpp"
#include "apq/quant/quantizer.hpp"
#include "quant/clip.hpp"

namespace apq::quant {
namespace {

constexpr float kRelu6 = 6.0f;
constexpr int kBatch = 64;               ///< calibration images at a time
constexpr std::int64_t kSample = 16384;  ///< values of a layer's input the clip search looks at

/// What calibration saw of one layer's input.
struct Range {
  float largest = 0;
  std::vector<float> sample;
};

/// Adds `take` values spread over all `n`: multiples of a large prime, modulo n, hit no channel pattern.
void sample_values(const float* values, std::int64_t n, std::int64_t take, std::vector<float>& sample) {
  constexpr std::uint64_t kPrime = 2654435761;
  for (std::int64_t i = 0; i < std::min(n, take); ++i)
    sample.push_back(values[static_cast<std::uint64_t>(i) * kPrime % static_cast<std::uint64_t>(n)]);
}

/// Watches an executor for as long as it lives.
class Calibration {
 public:
  Calibration(nn::Executor& executor, std::size_t layers, int batches)
      : executor_(executor), ranges_(layers) {
    executor_.set_observer([this, batches](int layer, const float* input, std::int64_t rows, int channels) {
      const std::int64_t n = rows * channels;
      Range& range = ranges_[static_cast<std::size_t>(layer)];
      bool finite = true;
      for (std::int64_t i = 0; i < n; ++i) {
        range.largest = std::max(range.largest, std::abs(input[i]));
        finite = finite && std::isfinite(input[i]);
      }
      validate(finite, ErrorKind::numeric,
               "the input of layer {} is not finite on the calibration images (training diverged) lower the "
               "learning rate",
               layer);
      sample_values(input, n, kSample / batches + 1, range.sample);
    });
  }
  ~Calibration() { executor_.set_observer(nullptr); }
  Calibration(const Calibration&) = delete;
  Calibration& operator=(const Calibration&) = delete;

  const Range& operator[](std::size_t layer) const { return ranges_[layer]; }

 private:
  nn::Executor& executor_;
  std::vector<Range> ranges_;
};

/// Moves the model's numbers to make room for the missing alphas, which go last: they are not decayed.
void add_alphas(nn::Model& model) {
  std::vector<nn::Layer>& layers = model.network.layers;
  const std::size_t before = model.values.size();
  const auto missing = static_cast<std::size_t>(std::count_if(
      layers.begin(), layers.end(), [](const nn::Layer& l) { return !l.input_quantizer.alpha.value; }));
  nn::AlignedVector<float> values(before + missing, 0.0f), grads(before + missing, 0.0f);
  std::copy(model.values.begin(), model.values.end(), values.begin());
  std::copy(model.grads.begin(), model.grads.end(), grads.begin());

  const auto move = [&](nn::Param& p) {
    if (p.value) p.value = values.data() + (p.value - model.values.data());
    if (p.grad) p.grad = grads.data() + (p.grad - model.grads.data());
  };
  std::size_t next = before;
  for (nn::Layer& l : layers) {
    for (nn::Param* p : {&l.weight, &l.gamma, &l.beta, &l.input_quantizer.alpha}) move(*p);
    if (!l.input_quantizer.alpha.value) {
      l.input_quantizer.alpha = {values.data() + next, grads.data() + next, 0};
      ++next;
    }
  }
  model.values.swap(values);
  model.grads.swap(grads);
}

/// An input the images never reach above zero keeps the full range, so that steps stay positive.
float alpha_of(const Range& range, int bits, bool is_signed) {
  const float largest = is_signed ? range.largest : std::min(kRelu6, range.largest);
  if (largest < 1e-6f) return kRelu6;
  return bits < kSearchBelowBits ? best_clip(range.sample, largest, bits, is_signed) : largest;
}

void set_weight_steps(const nn::Layer& l, int bits, float* steps) {
  const float input_step =
      *l.input_quantizer.alpha.value /
      static_cast<float>(nn::quantizer_levels(l.input_quantizer.bits, l.input_quantizer.is_signed));
  const int rows = l.kernel * l.kernel * (l.kind == nn::Kind::depthwise ? 1 : l.cin);
  std::vector<float> column(static_cast<std::size_t>(rows));
  for (int c = 0; c < l.cout; ++c) {
    for (int r = 0; r < rows; ++r)
      column[static_cast<std::size_t>(r)] = l.weight.value[std::int64_t{r} * l.weight.ld + c];
    // Where the bias outweighs every possible sum, a finer step would only push the integer bias out of
    // range.
    constexpr float kLargestBias = 1 << 24;
    const float least = std::abs(l.beta.value[c]) / (input_step * kLargestBias);
    steps[c] = std::max(weight_step(column, bits), least);
  }
}

}  // namespace

void prepare(nn::Model& model, std::span<const LayerBits> bits, const float* images, int count,
             nn::Executor& executor) {
  nn::Network& network = model.network;
  std::vector<nn::Layer>& layers = network.layers;
  APQ_ASSERT(bits.size() == layers.size() && count > 0 && layers.size() >= 2);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    APQ_ASSERT(!layers[i].gamma.value && std::min(bits[i].weight, bits[i].input) >= 2);
    APQ_ASSERT(std::max(bits[i].weight, bits[i].input) <= 8);
    layers[i].input_quantizer.bits = layers[i].weight_bits = 0;
  }

  Calibration ranges(executor, layers.size(), (count + kBatch - 1) / kBatch);
  const std::int64_t image = std::int64_t{network.input_size} * network.input_size * network.input_channels;
  for (int done = 0; done < count; done += kBatch)
    executor.forward(network, images + done * image, std::min(kBatch, count - done), nn::Mode::evaluate);

  add_alphas(model);
  std::size_t steps = 0;
  for (const nn::Layer& l : layers) steps += static_cast<std::size_t>(l.cout);
  model.weight_steps.resize(steps);
  float* step = model.weight_steps.data();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    nn::Layer& l = layers[i];
    l.input_quantizer.bits = bits[i].input;
    l.input_quantizer.is_signed = i == 0 || !layers[i - 1].relu6;
    *l.input_quantizer.alpha.value = alpha_of(ranges[i], bits[i].input, l.input_quantizer.is_signed);
    set_weight_steps(l, bits[i].weight, step);
    l.weight_bits = bits[i].weight;
    l.weight_steps = step;
    step += l.cout;
  }
}

}  // namespace apq::quant
