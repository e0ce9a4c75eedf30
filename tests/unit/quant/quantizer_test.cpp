// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/quant/quantizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "apq/core/error.hpp"
#include "apq/core/random.hpp"
#include "apq/nn/ops.hpp"

namespace apq::quant {
namespace {

constexpr int kClasses = 10;

std::size_t weights_of(const nn::Layer& l) {
  return static_cast<std::size_t>(l.kernel * l.kernel * (l.kind == nn::Kind::depthwise ? 1 : l.cin) * l.cout);
}

/// A folded model with random weights, built layer by layer.
struct Builder {
  nn::Model model;
  int channels, size;

  Builder(int input_channels, int input_size) : channels(input_channels), size(input_size) {
    nn::set_threads(1);
    model.network.input_channels = channels;
    model.network.input_size = size;
    model.network.classes = kClasses;
  }
  int layers() const { return static_cast<int>(model.network.layers.size()); }

  void add(nn::Kind kind, int cout, int kernel, int stride, bool relu6, int residual_from = -1) {
    nn::Layer l;
    l.kind = kind;
    l.cin = channels;
    l.cout = cout;
    l.size = kind == nn::Kind::linear ? 1 : size;
    l.kernel = kernel;
    l.stride = stride;
    l.relu6 = relu6;
    l.residual_from = residual_from;
    model.network.layers.push_back(l);
    channels = cout;
    if (kind != nn::Kind::linear) size = l.size_out();
  }

  void add_block(int cout, int expansion, int kernel, int stride) {
    const int from = layers();
    const bool residual = stride == 1 && channels == cout;
    add(nn::Kind::pointwise, channels * expansion, 1, 1, true);
    add(nn::Kind::depthwise, channels, kernel, stride, true);
    add(nn::Kind::pointwise, cout, 1, 1, false, residual ? from : -1);
  }

  nn::Model finish(std::uint64_t seed) {
    std::size_t weights = 0, biases = 0;
    for (const nn::Layer& l : model.network.layers) {
      weights += weights_of(l);
      biases += static_cast<std::size_t>(l.cout);
    }
    model.decayed = weights;
    model.values.resize(weights + biases);
    model.grads.assign(weights + biases, 0.0f);
    RandomStream random(seed, Purpose::test);
    std::size_t weight = 0, bias = weights;
    for (nn::Layer& l : model.network.layers) {
      l.weight = {model.values.data() + weight, model.grads.data() + weight, l.cout};
      l.beta = {model.values.data() + bias, model.grads.data() + bias, 0};
      const std::size_t n = weights_of(l);
      const double scale = std::sqrt(2.0 * l.cout / static_cast<double>(n));
      for (std::size_t i = 0; i < n; ++i) l.weight.value[i] = static_cast<float>(scale * random.normal());
      for (int c = 0; c < l.cout; ++c) l.beta.value[c] = static_cast<float>(0.3 * random.normal());
      weight += n;
      bias += static_cast<std::size_t>(l.cout);
    }
    return std::move(model);
  }
};

nn::Model random_model(std::uint64_t seed) {
  RandomStream random(seed, Purpose::test, 7);
  const auto pick = [&](std::initializer_list<int> values) {
    return values.begin()[random.below(static_cast<std::uint32_t>(values.size()))];
  };
  Builder b(seed % 2 ? 1 : 3, 12);
  b.add(nn::Kind::dense, pick({8, 16, 24}), 3, pick({1, 2}), true);
  b.add_block(seed % 3 ? 24 : b.channels, pick({3, 6}), 3, seed % 3 ? 2 : 1);  // or a residual on the stem
  for (int block = 0; block < 2; ++block) {
    const int cout = pick({8, 24, 40});
    b.add_block(cout, pick({3, 6}), pick({3, 5, 7}), 2);
    b.add_block(cout, pick({3, 6}), pick({3, 5, 7}), 1);
  }
  b.add(nn::Kind::pointwise, 64, 1, 1, true);
  b.add(nn::Kind::linear, kClasses, 1, 1, false);
  return b.finish(seed);
}

std::vector<float> random_images(const nn::Network& n, int count, std::uint64_t seed) {
  RandomStream random(seed, Purpose::test, 8);
  std::vector<float> x(static_cast<std::size_t>(count * n.input_size * n.input_size * n.input_channels));
  for (float& v : x) v = static_cast<float>(random.normal());
  return x;
}

std::vector<LayerBits> uniform(const nn::Model& m, int weight, int input) {
  return std::vector<LayerBits>(m.network.layers.size(), {weight, input});
}

/// How the integer network differs from the fake-quantized float network.
struct Agreement {
  double same_class = 0, worst_relative = 0, rms_relative = 0;
};

Agreement compare(const nn::Model& m, const std::vector<float>& x, int count) {
  nn::Executor executor;
  const float* wanted = executor.forward(m.network, x.data(), count, nn::Mode::evaluate);
  nn::IntegerExecutor integer(lower(m));
  const float* got = integer.forward(x.data(), count);
  double square = 0, difference = 0, worst = 0;
  int same = 0;
  for (int b = 0; b < count; ++b) {
    const float *w = wanted + b * kClasses, *g = got + b * kClasses;
    same += std::max_element(w, w + kClasses) - w == std::max_element(g, g + kClasses) - g;
    for (int c = 0; c < kClasses; ++c) {
      const double d = static_cast<double>(w[c]) - static_cast<double>(g[c]);
      square += static_cast<double>(w[c]) * static_cast<double>(w[c]);
      difference += d * d;
      worst = std::max(worst, std::abs(d));
    }
  }
  return {static_cast<double>(same) / count, worst / std::sqrt(square / (count * kClasses)),
          std::sqrt(difference / square)};
}

double squared_error(const std::vector<float>& values, float step, int levels) {
  double error = 0;
  for (const float v : values)
    error += std::pow(v - std::clamp(std::rint(v / step), -float(levels), float(levels)) * step, 2);
  return error;
}

TEST(WeightStep, SpansTheLargestWeightFromFiveBits) {
  const std::vector<float> values = {0.5f, -2.54f, 1.0f};
  EXPECT_FLOAT_EQ(weight_step(values, 8), 2.54f / 127);
  EXPECT_FLOAT_EQ(weight_step(values, 5), 2.54f / 15);
}

TEST(WeightStep, ClipsARareLargeWeightAtFewBits) {
  std::vector<float> values;
  RandomStream random(1, Purpose::test);
  for (int i = 0; i < 200; ++i) values.push_back(static_cast<float>(random.normal()));
  values.push_back(6.0f);
  for (const int bits : {2, 3, 4}) {
    const int levels = (1 << (bits - 1)) - 1;
    const float step = weight_step(values, bits);
    EXPECT_LT(step, 6.0f / static_cast<float>(levels));
    // Close to the best over a far finer search.
    double best = std::numeric_limits<double>::infinity();
    for (int k = 1; k <= 2000; ++k)
      best = std::min(best, squared_error(values, 6.0f * k / 2000 / levels, levels));
    EXPECT_LT(squared_error(values, step, levels), 1.1 * best) << bits;
  }
}

TEST(WeightStep, IsPositiveForAChannelOfZeros) {
  for (const int bits : {2, 4, 8}) EXPECT_GT(weight_step(std::vector<float>(9, 0.0f), bits), 0.0f);
}

TEST(Prepare, RangesAreThoseOfTheCalibrationImages) {
  Builder b(1, 4);
  b.add(nn::Kind::dense, 2, 3, 1, true);
  b.add(nn::Kind::pointwise, 2, 1, 1, false);
  b.add(nn::Kind::pointwise, 2, 1, 1, true);
  b.add(nn::Kind::linear, kClasses, 1, 1, false);
  nn::Model m = b.finish(1);
  std::fill(m.values.begin(), m.values.end(), 0.0f);
  m.network.layers[0].beta.value[0] = 2.5f;   // unsigned input of layer 1: 2.5
  m.network.layers[1].beta.value[1] = -4.0f;  // signed input of layer 2: -4
  m.network.layers[2].beta.value[0] = 9.0f;   // clipped to 6
  std::vector<float> x(2 * 16, 0.25f);
  x[20] = -1.75f;
  nn::Executor executor;
  prepare(m, uniform(m, 8, 8), x.data(), 2, executor);
  const float expected[] = {1.75f, 2.5f, 4.0f, 6.0f};
  const bool is_signed[] = {true, false, true, false};
  for (std::size_t i = 0; i < 4; ++i) {
    const nn::InputQuantizer& q = m.network.layers[i].input_quantizer;
    EXPECT_EQ(*q.alpha.value, expected[i]) << i;
    EXPECT_EQ(q.is_signed, is_signed[i]) << i;
    EXPECT_EQ(q.bits, 8);
  }
}

TEST(Prepare, AlphasAreTrainableUndecayedAndNothingElseChanges) {
  nn::Model m = random_model(3);
  const std::vector<float> before(m.values.begin(), m.values.end());
  const std::size_t decayed = m.decayed, layers = m.network.layers.size();
  const std::vector<float> x = random_images(m.network, 70, 3);
  nn::Executor executor;
  prepare(m, uniform(m, 8, 8), x.data(), 70, executor);
  EXPECT_EQ(m.decayed, decayed);
  ASSERT_EQ(m.values.size(), before.size() + layers);
  ASSERT_EQ(m.grads.size(), m.values.size());
  EXPECT_TRUE(std::equal(before.begin(), before.end(), m.values.begin()));
  EXPECT_THAT(m.grads, testing::Each(0.0f));
  const auto inside = [](const float* p, const nn::AlignedVector<float>& v) {
    return p >= v.data() && p < v.data() + v.size();
  };
  for (std::size_t i = 0; i < layers; ++i) {
    const nn::Layer& l = m.network.layers[i];
    const nn::Param& alpha = l.input_quantizer.alpha;
    EXPECT_EQ(alpha.value, m.values.data() + before.size() + i);
    EXPECT_EQ(alpha.grad, m.grads.data() + before.size() + i);
    for (const nn::Param* p : {&l.weight, &l.beta}) {
      EXPECT_TRUE(inside(p->value, m.values));
      EXPECT_EQ(p->grad - m.grads.data(), p->value - m.values.data());
    }
    EXPECT_TRUE(inside(l.weight_steps, m.weight_steps));
  }
}

TEST(Prepare, TwiceGivesTheSameQuantizersInTheSamePlaces) {
  nn::Model m = random_model(4);
  const std::vector<float> x = random_images(m.network, 16, 4);
  nn::Executor executor;
  prepare(m, uniform(m, 4, 4), x.data(), 16, executor);
  const std::vector<float> values(m.values.begin(), m.values.end()),
      steps(m.weight_steps.begin(), m.weight_steps.end());
  prepare(m, uniform(m, 4, 4), x.data(), 16, executor);
  EXPECT_TRUE(std::equal(values.begin(), values.end(), m.values.begin(), m.values.end()));
  EXPECT_TRUE(std::equal(steps.begin(), steps.end(), m.weight_steps.begin(), m.weight_steps.end()));
}

TEST(Prepare, RefusesImagesThatAreNotFinite) {
  nn::Model m = random_model(1);
  std::vector<float> x = random_images(m.network, 2, 1);
  x[5] = std::numeric_limits<float>::quiet_NaN();
  nn::Executor executor;
  EXPECT_THROW(prepare(m, uniform(m, 8, 8), x.data(), 2, executor), Error);
}

TEST(Lower, GivesTheHandComputedIntegers) {
  Builder b(1, 1);
  b.add(nn::Kind::pointwise, 1, 1, 1, true);
  b.add(nn::Kind::pointwise, 1, 1, 1, false);
  b.add(nn::Kind::pointwise, 1, 1, 1, true);
  b.add(nn::Kind::linear, kClasses, 1, 1, false);
  nn::Model m = b.finish(1);
  std::vector<nn::Layer>& l = m.network.layers;
  for (std::size_t i = 0; i < 3; ++i) l[i].weight.value[0] = 1.27f;
  l[0].beta.value[0] = 0.5f;
  l[1].beta.value[0] = -1.0f;
  const float x[] = {2.54f};
  nn::Executor executor;
  prepare(m, uniform(m, 8, 8), x, 1, executor);
  *l[1].input_quantizer.alpha.value = 5.1f;   // step 0.02
  *l[2].input_quantizer.alpha.value = 12.7f;  // step 0.1
  *l[3].input_quantizer.alpha.value = 3.0f;
  const nn::IntegerNetwork n = lower(m);
  ASSERT_EQ(n.layers.size(), 4u);
  EXPECT_EQ(n.layers[0].weight[0], 127);
  // Image step 0.02, weight step 0.01: 0.5 is 2500 units of 0.0002, less 128 * 127 for the zero point; sums
  // up to 383 * 127 + 2500 leave 14 bits for the shift.
  EXPECT_EQ(n.layers[0].shift, 14);
  EXPECT_NEAR(n.layers[0].bias[0], (2500 - 128 * 127) * 16384, 10);
  EXPECT_FLOAT_EQ(n.layers[0].input_ratio, 50.0f);
  EXPECT_EQ(n.layers[0].input_zero, 128);
  EXPECT_FLOAT_EQ(n.layers[0].multiplier[0], 0.01f / 16384);
  EXPECT_EQ(n.layers[0].high, 255);
  EXPECT_FALSE(n.layers[0].to_stream);
  // 12.7 / 16384 rounds up to 2^-10.
  EXPECT_TRUE(n.layers[1].to_stream);
  EXPECT_NEAR(n.layers[1].bias[0], -5000 * 16384, 10);
  EXPECT_FLOAT_EQ(n.layers[1].multiplier[0], 0.0002f * 1024 / 16384);
  EXPECT_EQ(n.layers[1].low, -32768);
  EXPECT_TRUE(n.layers[2].input_from_stream);
  EXPECT_FLOAT_EQ(n.layers[2].input_ratio, 10.0f / 1024);
  EXPECT_EQ(n.layers[2].input_low, -127);
  // Head: 6 / 16384 rounds up to 2^-11; one pixel is pooled to the step 3 / 255.
  EXPECT_FLOAT_EQ(n.layers[2].multiplier[0], 0.1f * 0.01f * 2048 / 16384);
  EXPECT_EQ(n.layers[2].low, 0);
  EXPECT_EQ(n.layers[2].high, 12288);
  EXPECT_FLOAT_EQ(n.layers[3].input_ratio, 85.0f / 2048);
  EXPECT_THAT(n.describe(), testing::HasSubstr("layer 2 pointwise 1x1x1 -> 1: input 8 bit signed, step 0.1"));
}

/// Images of a class are its fixed random pattern plus noise.
struct Task {
  std::vector<float> x;
  std::vector<std::int32_t> labels;

  Task(const nn::Network& n, int count, std::uint64_t seed) : x(random_images(n, count, seed)) {
    const std::vector<float> patterns = random_images(n, kClasses, 1000);
    const std::size_t image = patterns.size() / kClasses;
    RandomStream random(seed, Purpose::test, 10);
    for (int b = 0; b < count; ++b) {
      labels.push_back(static_cast<std::int32_t>(random.below(kClasses)));
      for (std::size_t i = 0; i < image; ++i) {
        float& v = x[static_cast<std::size_t>(b) * image + i];
        v = 0.5f * v + patterns[static_cast<std::size_t>(labels.back()) * image + i];
      }
    }
  }
};

void train(nn::Model& m, int steps, float learning_rate) {
  constexpr int kBatch = 32;
  nn::Executor executor;
  std::vector<float> velocity(m.values.size()), dlogits(kBatch * kClasses);
  for (int s = 0; s < steps; ++s) {
    const Task task(m.network, kBatch, static_cast<std::uint64_t>(s));
    const float* logits = executor.forward(m.network, task.x.data(), kBatch, nn::Mode::train);
    nn::softmax_cross_entropy(kBatch, kClasses, logits, task.labels.data(), 0.1f, nullptr, 0, dlogits.data());
    executor.backward(m.network, task.x.data(), dlogits.data());
    nn::clip_gradient(m.grads, 1.0);
    nn::sgd_step({learning_rate, 0.9f, 0.0f, true}, m.values, m.grads, velocity, m.decayed);
  }
}

TEST(Lower, ShallowNetworksGiveTheLogitsOfTheFakeQuantizedFloatNetwork) {
  for (const int bits : {2, 3, 4, 6, 8})
    for (const int input_channels : {1, 3}) {
      Builder b(input_channels, 9);
      b.add(nn::Kind::dense, 8, 3, 2, true);
      b.add_block(8, 3, 3, 1);  // with a residual from the stem
      b.add(nn::Kind::pointwise, 32, 1, 1, true);
      b.add(nn::Kind::linear, kClasses, 1, 1, false);
      nn::Model m = b.finish(static_cast<std::uint64_t>(bits));
      const std::vector<float> x = random_images(m.network, 256, 5);
      nn::Executor executor;
      prepare(m, uniform(m, bits, bits), x.data(), 64, executor);
      const Agreement a = compare(m, x, 256);
      EXPECT_GT(a.same_class, 0.99) << bits;
      EXPECT_LT(a.rms_relative, 0.01) << bits;
      EXPECT_LT(a.worst_relative, 0.25) << bits;  // one input on the other side of a tie
    }
}

TEST(Lower, TrainedNetworksDecideAsTheFakeQuantizedFloatNetwork) {
  constexpr int kImages = 512, kNetworks = 3;
  const int least_bits[] = {8, 4, 3};
  double same[3] = {}, accuracy[3] = {};
  for (std::uint64_t seed = 0; seed < kNetworks; ++seed) {
    nn::Model m = random_model(seed);
    train(m, 80, 0.02f);
    const Task task(m.network, kImages, 500);
    nn::Executor executor;
    for (int k = 0; k < 3; ++k) {
      RandomStream random(seed, Purpose::test, 9);
      const auto draw = [&] {
        return least_bits[k] + static_cast<int>(random.below(static_cast<std::uint32_t>(9 - least_bits[k])));
      };
      std::vector<LayerBits> bits;
      for (std::size_t i = 0; i < m.network.layers.size(); ++i) bits.push_back({draw(), draw()});
      prepare(m, bits, task.x.data(), 64, executor);
      nn::IntegerExecutor integer(lower(m));
      const float* logits = integer.forward(task.x.data(), kImages);
      accuracy[k] +=
          nn::count_correct(kImages, kClasses, logits, task.labels.data()) / double(kImages * kNetworks);
      same[k] += compare(m, task.x, kImages).same_class / kNetworks;
    }
  }
  for (int k = 0; k < 3; ++k) {
    EXPECT_GT(same[k], 0.99) << "at least " << least_bits[k] << " bits";
    EXPECT_GT(accuracy[k], 0.95) << "at least " << least_bits[k] << " bits";
  }
}

TEST(Lower, FastExecutorGivesTheBitsOfPlainLoops) {
  for (std::uint64_t seed = 20; seed < 26; ++seed) {
    nn::Model m = random_model(seed);
    const std::vector<float> x = random_images(m.network, 5, seed);
    nn::Executor executor;
    prepare(m, uniform(m, 2 + static_cast<int>(seed % 7), 4), x.data(), 5, executor);
    const nn::IntegerNetwork n = lower(m);
    std::vector<float> plain(5 * kClasses);
    nn::ref::integer_forward(n, x.data(), 5, plain.data());
    nn::IntegerExecutor fast(n);
    const float* got = fast.forward(x.data(), 5);
    EXPECT_EQ(plain, std::vector<float>(got, got + plain.size())) << seed;
  }
}

TEST(Lower, KeepsBiasesOfChannelsWhoseWeightsAreZero) {
  Builder b(1, 2);
  b.add(nn::Kind::pointwise, 2, 1, 1, true);
  b.add(nn::Kind::linear, kClasses, 1, 1, false);
  nn::Model m = b.finish(2);
  nn::Layer& first = m.network.layers[0];
  first.weight.value[0] = 0.0f;
  first.beta.value[0] = 3.0f;
  const std::vector<float> x = {0.1f, 0.2f, 0.3f, 0.4f};
  nn::Executor executor;
  prepare(m, uniform(m, 8, 8), x.data(), 1, executor);
  EXPECT_LT(compare(m, x, 1).worst_relative, 0.02);
}

TEST(Lower, RefusesNumbersThatAreNotFinite) {
  nn::Model m = random_model(5);
  const std::vector<float> x = random_images(m.network, 4, 5);
  nn::Executor executor;
  prepare(m, uniform(m, 8, 8), x.data(), 4, executor);
  const auto kind_of = [&] {
    try {
      lower(m);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::internal;
  };
  const float saved = m.values[10];
  m.values[10] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(kind_of(), ErrorKind::numeric);
  m.values[10] = saved;
  *m.network.layers[1].input_quantizer.alpha.value = -1.0f;
  EXPECT_EQ(kind_of(), ErrorKind::numeric);
}

}  // namespace
}  // namespace apq::quant
