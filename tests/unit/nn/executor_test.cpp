// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "apq/core/random.hpp"
#include "apq/nn/network.hpp"
#include "apq/nn/ops.hpp"

namespace apq::nn {
namespace {

/// A network with every kind of layer: stem, two inverted bottlenecks (the second residual), head,
/// classifier.
struct Fixture {
  Network net;
  std::vector<float> values, grads, statistics;
  std::vector<float> x;
  std::vector<std::int32_t> labels;
  static constexpr int kBatch = 4;

  explicit Fixture(int kernel = 3) {
    net.input_size = 8;
    net.input_channels = 3;
    net.classes = 4;
    const auto layer = [&](Kind kind, int cin, int cout, int size, int k, int stride, bool relu6,
                           int residual) {
      Layer l;
      l.kind = kind;
      l.cin = cin;
      l.cout = cout;
      l.size = size;
      l.kernel = k;
      l.stride = stride;
      l.relu6 = relu6;
      l.residual_from = residual;
      net.layers.push_back(l);
    };
    layer(Kind::dense, 3, 8, 8, 3, 1, true, -1);
    layer(Kind::pointwise, 8, 16, 8, 1, 1, true, -1);
    layer(Kind::depthwise, 16, 16, 8, kernel, 2, true, -1);
    layer(Kind::pointwise, 16, 8, 4, 1, 1, false, -1);
    layer(Kind::pointwise, 8, 24, 4, 1, 1, true, -1);
    layer(Kind::depthwise, 24, 24, 4, kernel, 1, true, -1);
    layer(Kind::pointwise, 24, 8, 4, 1, 1, false, 4);
    layer(Kind::pointwise, 8, 16, 4, 1, 1, true, -1);
    layer(Kind::linear, 16, 4, 1, 1, 1, false, -1);
    values.resize(20000);
    grads.assign(values.size(), 0.0f);
    statistics.resize(1000);
    RandomStream random(3, Purpose::test);
    std::size_t at = 0, stat = 0;
    for (Layer& l : net.layers) {
      const int rows = l.kernel * l.kernel * (l.kind == Kind::depthwise ? 1 : l.cin), ld = l.cout + 8;
      const auto param = [&](int n, int lead) {
        Param p{values.data() + at, grads.data() + at, lead};
        at += static_cast<std::size_t>(n);
        return p;
      };
      l.weight = param(rows * ld, ld);
      for (int i = 0; i < rows * ld; ++i)
        l.weight.value[i] =
            static_cast<float>(random.normal() / std::sqrt(l.kind == Kind::depthwise ? rows : rows));
      l.beta = param(l.cout, 0);
      for (int i = 0; i < l.cout; ++i)
        l.beta.value[i] = static_cast<float>(0.3 * random.normal() + (l.relu6 ? 0.5 : 0));
      if (l.kind == Kind::linear) continue;
      l.gamma = param(l.cout, 0);
      for (int i = 0; i < l.cout; ++i) l.gamma.value[i] = static_cast<float>(1 + 0.2 * random.normal());
      l.mean = statistics.data() + stat;
      l.variance = l.mean + l.cout;
      stat += static_cast<std::size_t>(2 * l.cout);
    }
    x.resize(static_cast<std::size_t>(kBatch) * 8 * 8 * 3);
    for (float& v : x) v = static_cast<float>(random.normal());
    labels = {0, 3, 1, 2};
  }

  double loss(Executor& executor, std::vector<float>* dlogits = nullptr) {
    std::vector<float> d(kBatch * 4);
    const float* logits = executor.forward(net, x.data(), kBatch, Mode::train);
    const double value = softmax_cross_entropy(kBatch, 4, logits, labels.data(), 0, nullptr, 0, d.data());
    if (dlogits) *dlogits = d;
    return value;
  }
};

using Checked = std::vector<std::pair<float*, float*>>;  // value, gradient

/// Some weights, shifts and scales of one layer.
Checked some_parameters(const Layer& l, std::uint64_t key) {
  Checked checked;
  RandomStream random(key, Purpose::test);
  const int rows = l.kernel * l.kernel * (l.kind == Kind::depthwise ? 1 : l.cin);
  for (int k = 0; k < 12; ++k) {
    const auto at = random.below(static_cast<std::uint32_t>(rows)) * static_cast<std::uint32_t>(l.weight.ld) +
                    random.below(static_cast<std::uint32_t>(l.cout));
    checked.push_back({l.weight.value + at, l.weight.grad + at});
  }
  for (int c = 0; c < 4; ++c) {
    checked.push_back({l.beta.value + c, l.beta.grad + c});
    if (l.gamma.value) checked.push_back({l.gamma.value + c, l.gamma.grad + c});
  }
  return checked;
}

double difference_quotient(Fixture& f, Executor& executor, float* value, float step) {
  const float keep = *value;
  *value = keep + step;
  const double up = f.loss(executor);
  *value = keep - step;
  const double down = f.loss(executor);
  *value = keep;
  return (up - down) / (2 * static_cast<double>(step));
}

class Gradients : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Kernels, Gradients, ::testing::Values(3, 5, 7));

// Inside (0, 6) the network is smooth, so every single gradient can be held to its difference quotient.
TEST_P(Gradients, OfEveryLayerMatchFiniteDifferencesAwayFromTheClip) {
  Fixture f(GetParam());
  for (Layer& l : f.net.layers)
    for (int c = 0; l.gamma.value && l.relu6 && c < l.cout; ++c) {
      l.gamma.value[c] *= 0.3f;
      l.beta.value[c] = 3;
    }
  Executor executor;
  std::vector<float> dlogits;
  f.loss(executor, &dlogits);
  executor.backward(f.net, f.x.data(), dlogits.data());
  for (std::size_t i = 0; i < f.net.layers.size(); ++i) {
    SCOPED_TRACE(::testing::Message() << "layer " << i);
    for (const auto& [value, grad] : some_parameters(f.net.layers[i], i)) {
      const double expected = difference_quotient(f, executor, value, 1e-2f);
      EXPECT_NEAR(*grad, expected, 2e-4 + 0.02 * std::abs(expected));
    }
  }
}

// With the clip active the loss has kinks; difference quotients then hold on average.
TEST_P(Gradients, PointTheSameWayAsFiniteDifferencesWithTheClip) {
  Fixture f(GetParam());
  Executor executor;
  std::vector<float> dlogits;
  f.loss(executor, &dlogits);
  executor.backward(f.net, f.x.data(), dlogits.data());
  double dot = 0, own = 0, expected = 0;
  for (std::size_t i = 0; i < f.net.layers.size(); ++i)
    for (const auto& [value, grad] : some_parameters(f.net.layers[i], i)) {
      const double quotient = difference_quotient(f, executor, value, 5e-3f);
      dot += quotient * static_cast<double>(*grad);
      own += static_cast<double>(*grad) * static_cast<double>(*grad);
      expected += quotient * quotient;
    }
  EXPECT_GT(dot / std::sqrt(own * expected), 0.99);
  EXPECT_NEAR(std::sqrt(own / expected), 1, 0.05);
}

// Storage in bf16 rounds every activation and gradient by up to 1/256.
TEST_P(Gradients, InBf16PointTheSameWayAsInFloat) {
  Fixture f(GetParam());
  std::vector<std::vector<float>> all, logits;
  for (const Storage storage : {Storage::fp32, Storage::bf16}) {
    Executor executor(storage);
    std::vector<float> dlogits;
    const float* out = executor.forward(f.net, f.x.data(), Fixture::kBatch, Mode::train);
    logits.emplace_back(out, out + 16);
    f.loss(executor, &dlogits);
    executor.backward(f.net, f.x.data(), dlogits.data());
    all.push_back(f.grads);
    std::fill(f.grads.begin(), f.grads.end(), 0.0f);
  }
  for (std::size_t i = 0; i < 16; ++i) EXPECT_NEAR(logits[0][i], logits[1][i], 0.1);
  EXPECT_NE(logits[0], logits[1]);
  double dot = 0, plain = 0, rounded = 0;
  for (std::size_t i = 0; i < f.grads.size(); ++i) {
    dot += static_cast<double>(all[0][i]) * static_cast<double>(all[1][i]);
    plain += static_cast<double>(all[0][i]) * static_cast<double>(all[0][i]);
    rounded += static_cast<double>(all[1][i]) * static_cast<double>(all[1][i]);
  }
  EXPECT_GT(dot / std::sqrt(plain * rounded), 0.99);
  EXPECT_NEAR(std::sqrt(rounded / plain), 1, 0.05);
}

TEST(Executor, FoldedNormalisationGivesTheSameLogits) {
  Fixture f;
  Executor executor;
  executor.begin_statistics(f.net);
  executor.forward(f.net, f.x.data(), Fixture::kBatch, Mode::statistics);
  executor.end_statistics(f.net);
  const float* logits = executor.forward(f.net, f.x.data(), Fixture::kBatch, Mode::evaluate);
  const std::vector<float> kept(logits, logits + 16);
  const Model folded = fold_normalisation(f.net);
  const float* again = executor.forward(folded.network, f.x.data(), Fixture::kBatch, Mode::evaluate);
  for (int i = 0; i < 16; ++i) EXPECT_NEAR(kept[static_cast<std::size_t>(i)], again[i], 1e-4);
  const Model copy = copy_model(f.net);
  again = executor.forward(copy.network, f.x.data(), Fixture::kBatch, Mode::evaluate);
  for (int i = 0; i < 16; ++i) EXPECT_FLOAT_EQ(kept[static_cast<std::size_t>(i)], again[i]);
}

TEST(Executor, RecalibrationOnOneBatchEqualsBatchStatistics) {
  Fixture f;
  Executor executor;
  const float* logits = executor.forward(f.net, f.x.data(), Fixture::kBatch, Mode::train);
  const std::vector<float> trained(logits, logits + 16);
  executor.begin_statistics(f.net);
  executor.forward(f.net, f.x.data(), Fixture::kBatch, Mode::statistics);
  executor.end_statistics(f.net);
  logits = executor.forward(f.net, f.x.data(), Fixture::kBatch, Mode::evaluate);
  for (int i = 0; i < 16; ++i) EXPECT_NEAR(trained[static_cast<std::size_t>(i)], logits[i], 1e-5);
}

TEST(Executor, QuantizersAreAppliedAndPassGradientsThrough) {
  Fixture f;
  Executor executor;
  executor.begin_statistics(f.net);
  executor.forward(f.net, f.x.data(), Fixture::kBatch, Mode::statistics);
  executor.end_statistics(f.net);
  Model m = fold_normalisation(f.net);
  const float* logits = executor.forward(m.network, f.x.data(), Fixture::kBatch, Mode::evaluate);
  const std::vector<float> exact(logits, logits + 16);

  // With fine quantizers everywhere the logits barely move; with coarse ones they do.
  std::vector<float> alpha(m.network.layers.size(), 6.0f), dalpha(alpha.size(), 0.0f), steps(64, 0.001f);
  for (std::size_t i = 0; i < m.network.layers.size(); ++i) {
    Layer& l = m.network.layers[i];
    l.input_quantizer = {16, i == 0 || !m.network.layers[i - 1].relu6, {&alpha[i], &dalpha[i], 0}};
    l.weight_bits = 16;
    l.weight_steps = steps.data();
  }
  logits = executor.forward(m.network, f.x.data(), Fixture::kBatch, Mode::evaluate);
  for (int i = 0; i < 16; ++i) EXPECT_NEAR(exact[static_cast<std::size_t>(i)], logits[i], 0.05);
  for (Layer& l : m.network.layers) l.input_quantizer.bits = 2;
  logits = executor.forward(m.network, f.x.data(), Fixture::kBatch, Mode::train);
  double moved = 0;
  for (int i = 0; i < 16; ++i)
    moved = std::max(moved, std::abs(static_cast<double>(exact[static_cast<std::size_t>(i)] - logits[i])));
  EXPECT_GT(moved, 0.05);

  // Straight-through: with fine quantizers the gradients are those of the unquantized network.
  for (Layer& l : m.network.layers) l.input_quantizer.bits = 16;
  std::vector<float> d(16);
  logits = executor.forward(m.network, f.x.data(), Fixture::kBatch, Mode::train);
  softmax_cross_entropy(Fixture::kBatch, 4, logits, f.labels.data(), 0, nullptr, 0, d.data());
  executor.backward(m.network, f.x.data(), d.data());
  const std::vector<float> quantized(m.grads.begin(), m.grads.end());
  std::fill(m.grads.begin(), m.grads.end(), 0.0f);
  for (Layer& l : m.network.layers) l.input_quantizer.bits = l.weight_bits = 0;
  logits = executor.forward(m.network, f.x.data(), Fixture::kBatch, Mode::train);
  softmax_cross_entropy(Fixture::kBatch, 4, logits, f.labels.data(), 0, nullptr, 0, d.data());
  executor.backward(m.network, f.x.data(), d.data());
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < quantized.size(); ++i) {
    difference += std::pow(static_cast<double>(quantized[i] - m.grads[i]), 2);
    norm += std::pow(static_cast<double>(m.grads[i]), 2);
  }
  EXPECT_LT(std::sqrt(difference), 0.05 * std::sqrt(norm));
}

}  // namespace
}  // namespace apq::nn
