// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/float_network.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "apq/core/random.hpp"
#include "apq/nn/ops.hpp"

namespace apq::nn {
namespace {

/// Stem, bottlenecks with and without residual, head and classifier; widths that fill vectors and that do
/// not.
struct Example {
  Network net;
  std::vector<float> values, x;

  Example(int size, int kernel, int width, bool normalised) {
    net.input_size = size;
    net.input_channels = 3;
    net.classes = 5;
    values.resize(200000);
    RandomStream random(7, Purpose::test, static_cast<std::uint64_t>(100 * kernel + width));
    std::size_t at = 0;
    const auto fill = [&](int n, double mean, double spread) {
      float* first = values.data() + at;
      for (int i = 0; i < n; ++i) first[i] = static_cast<float>(mean + spread * random.normal());
      at += static_cast<std::size_t>(n);
      return first;
    };
    const auto layer = [&](Kind kind, int cin, int cout, int k, int stride, bool relu6, int residual) {
      Layer l;
      l.kind = kind;
      l.cin = cin;
      l.cout = cout;
      l.size = kind == Kind::linear ? 1 : size;
      l.kernel = k;
      l.stride = stride;
      l.relu6 = relu6;
      l.residual_from = residual;
      const int rows = k * k * (kind == Kind::depthwise ? 1 : cin);
      l.weight = {fill(rows * (cout + 3), 0, std::sqrt(2.0 / rows)), nullptr, cout + 3};
      l.beta = {fill(cout, 0.2, 0.5), nullptr, 0};
      if (normalised && kind != Kind::linear) {
        l.gamma = {fill(cout, 1, 0.2), nullptr, 0};
        l.mean = fill(cout, 0, 0.2);
        l.variance = fill(cout, 1, 0.1);
      }
      net.layers.push_back(l);
      size = l.size_out();
    };
    const auto bottleneck = [&](int cin, int hidden, int cout, int stride, bool residual) {
      const int first = static_cast<int>(net.layers.size());
      layer(Kind::pointwise, cin, hidden, 1, 1, true, -1);
      layer(Kind::depthwise, hidden, hidden, kernel, stride, true, -1);
      layer(Kind::pointwise, hidden, cout, 1, 1, false, residual ? first : -1);
    };
    layer(Kind::dense, 3, 8, 3, 1, true, -1);
    bottleneck(8, width, 24, 1, false);
    bottleneck(24, width + 8, 24, 1, true);
    bottleneck(24, 2 * width, 40, 2, false);
    bottleneck(40, width, 40, 1, true);
    layer(Kind::pointwise, 40, 56, 1, 1, true, -1);
    layer(Kind::linear, 56, 5, 1, 1, false, -1);
  }

  void draw_images(int batch) {
    RandomStream random(8, Purpose::test);
    x.resize(static_cast<std::size_t>(batch * net.input_size * net.input_size * 3));
    for (float& v : x) v = static_cast<float>(random.normal());
  }
};

std::vector<float> logits(Executor& executor, const Example& e, int first, int count) {
  const float* x = e.x.data() + std::ptrdiff_t{first} * e.net.input_size * e.net.input_size * 3;
  const float* result = executor.forward(e.net, x, count, Mode::evaluate);
  return {result, result + std::ptrdiff_t{count} * e.net.classes};
}

class FloatNetworks : public ::testing::TestWithParam<std::tuple<int, int, int, bool>> {
 protected:
  void TearDown() override { set_threads(1); }
};

INSTANTIATE_TEST_SUITE_P(SizesKernelsWidths, FloatNetworks,
                         ::testing::Combine(::testing::Values(5, 14, 32), ::testing::Values(3, 5, 7),
                                            ::testing::Values(16, 56, 104), ::testing::Bool()));

// An observer wants every layer's input: then the layers run one by one, which passes_test holds to plain
// loops.
TEST_P(FloatNetworks, GiveTheBitsOfTheLayersOneByOneWithAnyThreadsAndBatches) {
  const auto [size, kernel, width, normalised] = GetParam();
  Example e(size, kernel, width, normalised);
  constexpr int kBatch = 11;
  e.draw_images(kBatch);
  ASSERT_TRUE(FloatNetwork::supports(e.net));
  Executor layers, fused;
  layers.set_observer([](int, const float*, std::int64_t, int) {});
  const std::vector<float> plain = logits(layers, e, 0, kBatch);
  for (const int threads : {1, 2, 3}) {
    set_threads(threads);
    EXPECT_EQ(logits(fused, e, 0, kBatch), plain) << threads << " threads";
    for (const int batch : {1, 2, 4})
      for (int first = 0; first + batch <= kBatch; first += batch)
        EXPECT_EQ(logits(fused, e, first, batch),
                  std::vector<float>(plain.begin() + first * 5, plain.begin() + (first + batch) * 5))
            << threads << " threads, images " << first << " to " << first + batch;
  }
}

TEST(FloatNetwork, LeavesQuantizersAndOtherResidualsToTheLayers) {
  Example e(8, 3, 16, false);
  float alpha = 6;
  e.net.layers[1].input_quantizer = {8, false, {&alpha, nullptr, 0}};
  EXPECT_FALSE(FloatNetwork::supports(e.net));
  e.net.layers[1].input_quantizer = {};
  e.net.layers[9].residual_from = -1;
  EXPECT_TRUE(FloatNetwork::supports(e.net));
  e.net.layers[6].residual_from = 1;
  EXPECT_FALSE(FloatNetwork::supports(e.net));
}

}  // namespace
}  // namespace apq::nn
