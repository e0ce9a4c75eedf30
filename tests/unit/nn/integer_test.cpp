// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/nn/integer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "apq/core/error.hpp"
#include "apq/core/random.hpp"
#include "apq/nn/ops.hpp"
#include "nn/fused_layer.hpp"
#include "nn/integer_shape.hpp"
#include "nn/kernels/requantize.hpp"
#include "nn/onednn/product.hpp"

namespace apq::nn {
namespace {

int between(RandomStream& random, int low, int high) {
  return low + static_cast<int>(random.below(static_cast<std::uint32_t>(high - low + 1)));
}
int pick(RandomStream& random, std::initializer_list<int> values) {
  return values.begin()[random.below(static_cast<std::uint32_t>(values.size()))];
}

/// Weights of `bits` bits, biases and multipliers that spread the output over its range.
void fill(IntegerLayer& l, int bits, double spread, RandomStream& random) {
  const int levels = quantizer_levels(bits, true);
  l.weight.resize(static_cast<std::size_t>(taps(l) * l.cout));
  for (std::int8_t& w : l.weight) w = static_cast<std::int8_t>(between(random, -levels, levels));
  l.shift = between(random, 0, 4);
  for (int c = 0; c < l.cout; ++c) {
    int sum = 0;
    for (int t = 0; t < taps(l); ++t) sum += l.weight[static_cast<std::size_t>(t * l.cout + c)];
    l.bias.push_back((between(random, -1000, 1000) - l.input_zero * sum) * (1 << l.shift) +
                     between(random, 0, 3));
    l.multiplier.push_back(
        static_cast<float>(spread / (1 << l.shift) * (0.5 + random.uniform()) /
                           (40.0 * (levels + 1) * std::sqrt(static_cast<double>(taps(l))))));
  }
}

struct Builder {
  IntegerNetwork network;
  RandomStream random;
  int channels, size;
  bool stream = false, is_signed = true;

  Builder(std::uint64_t seed, int input_channels)
      : random(seed, Purpose::test), channels(input_channels), size(between(random, 6, 13)) {
    network.input_channels = channels;
    network.input_size = size;
  }

  IntegerLayer& add(Kind kind, int cout, int kernel, int stride, bool to_stream, bool relu6) {
    IntegerLayer l;
    l.kind = kind;
    l.cin = channels;
    l.cout = cout;
    l.size = size;
    l.kernel = kernel;
    l.stride = stride;
    const bool quantizes = network.layers.empty() || stream || kind == Kind::linear;
    const int bits = between(random, 2, 8), levels = quantizer_levels(bits, is_signed);
    if (quantizes) {
      l.input_from_stream = stream;
      l.input_low = is_signed ? -levels : 0;
      l.input_high = levels;
      l.input_zero = is_signed ? 128 : 0;
      l.input_ratio = static_cast<float>(levels) / (network.layers.empty() ? 3.0f
                                                    : kind == Kind::linear ? 20000.0f
                                                                           : 3000.0f);
    }
    l.to_stream = to_stream;
    l.low = to_stream && !relu6 ? -32768 : 0;
    l.high = to_stream ? (relu6 ? 6000 : 32767) : quantizer_levels(between(random, 2, 8), false);
    fill(l, between(random, 2, 8), to_stream ? 3000.0 : l.high, random);
    channels = cout;
    if (kind != Kind::linear) size = l.size_out();
    stream = to_stream;
    is_signed = !relu6;
    network.layers.push_back(std::move(l));
    return network.layers.back();
  }

  /// Inverted bottleneck; with a residual where shapes allow one.
  void add_block(int cout, int kernel, int stride) {
    const int from = static_cast<int>(network.layers.size());
    const bool residual = stride == 1 && channels == cout && stream;
    add(Kind::pointwise, channels * pick(random, {1, 3, 6}), 1, 1, false, true);
    add(Kind::depthwise, channels, kernel, stride, false, true);
    IntegerLayer& project = add(Kind::pointwise, cout, 1, 1, true, false);
    if (residual) project.residual_from = from;
  }
};

/// A random chain with every kind of layer: signed and unsigned streams, residuals, all bits.
IntegerNetwork random_network(std::uint64_t seed) {
  Builder b(seed, seed % 2 ? 1 : 3);
  b.add(Kind::dense, pick(b.random, {8, 16, 10}), pick(b.random, {3, 5}), pick(b.random, {1, 2}),
        seed % 3 != 0, seed % 4 != 0 || seed % 3 == 0);
  for (int block = 0; block < 3; ++block) {
    const int cout = pick(b.random, {8, 16, 24, 40});
    b.add_block(cout, pick(b.random, {3, 5, 7}), pick(b.random, {1, 2}));
    b.add_block(cout, pick(b.random, {3, 5, 7}), 1);
  }
  b.add(Kind::dense, 12, 3, 1, false, true);
  b.add(Kind::pointwise, 48, 1, 1, true, true);
  b.network.classes = 10;
  b.add(Kind::linear, 10, 1, 1, false, true);
  return b.network;
}

std::vector<float> random_images(const IntegerNetwork& n, int batch, std::uint64_t seed) {
  RandomStream random(seed, Purpose::test, 1);
  std::vector<float> x(static_cast<std::size_t>(batch * n.input_size * n.input_size * n.input_channels));
  for (float& v : x) v = static_cast<float>(random.normal());
  return x;
}

std::vector<float> plain(const IntegerNetwork& n, const std::vector<float>& x, int batch) {
  std::vector<float> logits(static_cast<std::size_t>(batch * n.classes));
  ref::integer_forward(n, x.data(), batch, logits.data());
  return logits;
}

std::vector<float> fast(IntegerExecutor& executor, const IntegerNetwork& n, const std::vector<float>& x,
                        int batch) {
  const float* logits = executor.forward(x.data(), batch);
  return {logits, logits + batch * n.classes};
}

TEST(IntegerNetwork, PlainLoopsGiveTheHandComputedLogits) {
  // One pixel, one channel: x = 0.5 -> q = 50 + 128; 3 * 50 + 7 = 157 -> * 0.5 -> 78.5 -> 78 (ties to even),
  // here with sum and bias doubled by a shift of 1 and the multiplier halved;
  // pool ratio 1; logits (2 * 78 + 4) * 0.25 and (-1 * 78) * 0.5.
  IntegerNetwork n;
  n.input_size = n.input_channels = 1;
  n.classes = 2;
  IntegerLayer conv;
  conv.cin = conv.cout = conv.size = 1;
  conv.input_ratio = 100;
  conv.input_low = -127;
  conv.input_high = 127;
  conv.input_zero = 128;
  conv.weight = {3};
  conv.shift = 1;
  conv.to_stream = true;
  conv.bias = {2 * (7 - 128 * 3)};
  conv.multiplier = {0.25f};
  IntegerLayer linear;
  linear.kind = Kind::linear;
  linear.cin = linear.size = 1;
  linear.cout = 2;
  linear.weight = {2, -1};
  linear.bias = {4, 0};
  linear.multiplier = {0.25f, 0.5f};
  linear.input_from_stream = true;
  n.layers = {conv, linear};
  EXPECT_THAT(plain(n, {0.5f}, 1), testing::ElementsAre(40.0f, -39.0f));
  IntegerExecutor executor(n);
  EXPECT_THAT(fast(executor, n, {0.5f}, 1), testing::ElementsAre(40.0f, -39.0f));
}

TEST(IntegerExecutor, GivesTheBitsOfPlainLoopsForEveryBatchAndThreadCount) {
  const int threads_before = threads();
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const IntegerNetwork n = random_network(seed);
    const std::vector<float> x = random_images(n, 64, seed), expected = plain(n, x, 64);
    EXPECT_GT(*std::max_element(expected.begin(), expected.end()),
              *std::min_element(expected.begin(), expected.end()));
    IntegerExecutor executor(n);
    for (const int count : {1, 2}) {
      set_threads(count);
      for (const int batch : {1, 3, 64}) {
        const auto wanted = static_cast<std::ptrdiff_t>(batch * n.classes);
        EXPECT_EQ(fast(executor, n, x, batch),
                  std::vector<float>(expected.begin(), expected.begin() + wanted))
            << "seed " << seed << " batch " << batch << " threads " << count;
      }
    }
  }
  set_threads(threads_before);
}

TEST(IntegerExecutor, ManySlicesGiveTheBitsOfPlainLoops) {
  Builder b(5, 1);
  b.size = b.network.input_size = 28;
  b.add(Kind::dense, 16, 3, 1, true, true);
  b.add_block(24, 3, 2);
  b.network.classes = 10;
  b.add(Kind::pointwise, 32, 1, 1, true, true);
  b.add(Kind::linear, 10, 1, 1, false, true);
  const std::vector<float> x = random_images(b.network, 37, 5);
  IntegerExecutor executor(b.network);
  EXPECT_EQ(fast(executor, b.network, x, 37), plain(b.network, x, 37));
}

TEST(IntegerExecutor, WideLayersWithEveryKernelGiveTheBitsOfPlainLoops) {
  const int threads_before = threads();
  for (const int kernel : {3, 5, 7}) {
    Builder b(static_cast<std::uint64_t>(kernel), 3);
    b.add(Kind::dense, 20, kernel, 2, true, true);
    b.add(Kind::pointwise, 150, 1, 1, false, true);
    b.add(Kind::depthwise, 150, kernel, 1, false, true);
    b.add(Kind::depthwise, 150, kernel, 2, false, true);
    b.add(Kind::pointwise, 65, 1, 1, true, false);
    b.add(Kind::pointwise, 65, 1, 1, true, false).residual_from = 5;
    b.network.classes = 10;
    b.add(Kind::pointwise, 81, 1, 1, true, true);
    b.add(Kind::linear, 10, 1, 1, false, true);
    const std::vector<float> x = random_images(b.network, 5, 1), expected = plain(b.network, x, 5);
    IntegerExecutor executor(b.network);
    for (const int count : {1, 2, 7}) {  // 7: more threads than images share every layer
      set_threads(count);
      EXPECT_EQ(fast(executor, b.network, x, 5), expected) << "kernel " << kernel << " threads " << count;
    }
    std::vector<int> reached;
    executor.set_observer([&](int layer) { reached.push_back(layer); });
    set_threads(2);
    EXPECT_EQ(fast(executor, b.network, x, 5), expected) << "kernel " << kernel << " observed";
    EXPECT_THAT(reached, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8));
  }
  set_threads(threads_before);
}

TEST(IntegerFusedLayer, LargestWeightsAndInputsAreSummedExactly) {
  for (const Kind kind : {Kind::pointwise, Kind::depthwise})
    for (const int kernel : {3, 5, 7})
      for (const int channels : {9, 64, 96, 145}) {
        IntegerLayer l;
        l.kind = kind;
        l.cin = l.cout = channels;
        l.size = kernel + 2;
        l.kernel = kind == Kind::pointwise ? 1 : kernel;
        l.weight.assign(static_cast<std::size_t>(taps(l) * channels), 127);
        for (std::size_t i = 0; i < l.weight.size(); i += static_cast<std::size_t>(channels))
          l.weight[i] = -127;
        const int sum = 255 * 127 * taps(l);  // of a pixel away from the borders
        l.bias.assign(static_cast<std::size_t>(channels), -sum);
        l.bias[0] = sum + 3;
        for (std::int32_t& bias : l.bias) bias += 100;
        l.multiplier.assign(static_cast<std::size_t>(channels), 0.5f);
        if (!FusedLayer::supports(l)) GTEST_SKIP() << "no kernels of our own here";
        const FusedLayer layer(l);
        const std::vector<std::uint8_t> in(
            static_cast<std::size_t>(l.size * l.size * channels + layer.read_ahead()), 255);
        std::vector<std::uint8_t> out(static_cast<std::size_t>(l.size * l.size * channels));
        kernels::Requantization q = layer.requantization();
        q.bytes = out.data();
        layer.run(in.data(), {0, l.size}, q);
        const std::size_t centre = static_cast<std::size_t>(l.size / 2 * l.size + l.size / 2);
        for (int c = 0; c < channels; ++c)
          ASSERT_EQ(out[centre * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c)],
                    c == 0 ? 52 : 50)  // 51.5 to even
              << "kernel " << l.kernel << " channel " << c << " of " << channels;
      }
}

TEST(IntegerProduct, LargestWeightsAndInputsAreSummedExactly) {
  for (const int channels : {24, 64, 1024}) {
    IntegerLayer l;
    l.cin = channels;
    l.cout = 40;
    l.size = 5;
    l.weight.assign(static_cast<std::size_t>(channels * 40), 127);
    for (std::size_t i = 0; i < l.weight.size(); i += 40) l.weight[i] = -127;
    onednn::IntegerProduct product(l, 2);
    const std::vector<std::uint8_t> in(static_cast<std::size_t>(50 * channels), 255);
    std::vector<std::int32_t> out(50 * 40);
    product.run(in.data(), out.data());
    for (std::size_t i = 0; i < out.size(); ++i)
      ASSERT_EQ(out[i], (i % 40 ? 1 : -1) * 255 * 127 * channels) << channels << " channels, output " << i;
  }
}

TEST(IntegerProduct, WeightPartsAddUpAndStayBelowTheLimit) {
  for (int parts = 1; parts <= 4; ++parts)
    for (int w = -127; w <= 127; ++w) {
      int sum = 0;
      for (int p = 0; p < parts; ++p) {
        const int part = onednn::weight_part(w, p, parts);
        EXPECT_LE(std::abs(part), (std::abs(w) + parts - 1) / parts);
        sum += part;
      }
      EXPECT_EQ(sum, w);
    }
}

TEST(IntegerProduct, PartsDependOnTheInstructionSetAndOnTheSum) {
  IntegerLayer l;
  l.cin = 64;
  l.cout = 1;
  l.weight.assign(64, 64);
  EXPECT_EQ(onednn::exact_parts(l, true), 1);
  EXPECT_EQ(onednn::exact_parts(l, false), 1);
  l.weight[5] = -65;
  EXPECT_EQ(onednn::exact_parts(l, true), 1);
  EXPECT_EQ(onednn::exact_parts(l, false), 2);
  l.cin = 1000;
  l.weight.assign(1000, 127);  // 255 * 127 * 1000 is about 1.9 * 2^24
  EXPECT_EQ(onednn::exact_parts(l, true), 2);
  l.cin = 4000;
  l.weight.assign(4000, 127);
  EXPECT_THROW(onednn::exact_parts(l, true), Error);
}

std::vector<const RequantizeKernels*> kernel_sets() {
  std::vector<const RequantizeKernels*> sets = {&kRequantizeGeneric};
  const std::string best = requantize_kernels().isa;
  if (best != "generic") sets.push_back(&kRequantizeAvx2);
  if (best == "avx512") sets.push_back(&kRequantizeAvx512);
  return sets;
}

TEST(IntegerKernels, RoundTiesToEvenAndClampOnEveryInstructionSet) {
  const std::vector<std::int32_t> acc = {1, 3, 5, -1, -3, 1000, -1000, 2147483000, -2147483000, 511, 509},
                                  bias(11, 0);
  const std::vector<float> half(11, 0.5f);
  for (const RequantizeKernels* k : kernel_sets()) {
    std::vector<std::uint8_t> bytes(11);
    k->to_u8(11, 11, acc.data(), 0, bias.data(), half.data(), 0, 255, bytes.data());
    EXPECT_THAT(bytes, testing::ElementsAre(0, 2, 2, 0, 0, 255, 0, 255, 0, 255, 254)) << k->isa;
    std::vector<std::int16_t> stream(11), residual(11, 32700);
    k->to_stream(11, 11, acc.data(), 0, bias.data(), half.data(), -32768, 32767, nullptr, stream.data());
    EXPECT_THAT(stream, testing::ElementsAre(0, 2, 2, 0, -2, 500, -500, 32767, -32768, 256, 254)) << k->isa;
    k->to_stream(11, 11, acc.data(), 0, bias.data(), half.data(), -32768, 32767, residual.data(),
                 residual.data());
    EXPECT_THAT(residual, testing::ElementsAre(32700, 32702, 32702, 32700, 32698, 32767, 32200, 32767, -68,
                                               32767, 32767))
        << k->isa;
  }
}

TEST(IntegerKernels, EveryInstructionSetGivesTheSameBits) {
  RandomStream random(3, Purpose::test);
  const std::int64_t n = 1003, period = 48;
  std::vector<std::int32_t> acc, bias;
  std::vector<float> multiplier, image;
  std::vector<std::int16_t> stream;
  for (std::int64_t i = 0; i < n; ++i) {
    acc.push_back(between(random, -200000, 200000));
    bias.push_back(between(random, -20000, 20000));
    multiplier.push_back(static_cast<float>(0.01 * random.uniform()));
    image.push_back(static_cast<float>(random.normal()));
    stream.push_back(static_cast<std::int16_t>(between(random, -32768, 32767)));
  }
  image[7] = std::numeric_limits<float>::infinity();
  image[8] = -image[7];
  image[9] = std::numeric_limits<float>::quiet_NaN();
  const auto size = static_cast<std::size_t>(n);
  for (const RequantizeKernels* k : kernel_sets()) {
    std::vector<std::uint8_t> a(size), b(size), c(size);
    std::vector<std::int16_t> s(size);
    k->to_u8(n, period, acc.data(), 2, bias.data(), multiplier.data(), 3, 200, a.data());
    k->to_stream(n, period, acc.data(), 2, bias.data(), multiplier.data(), -900, 900, stream.data(),
                 s.data());
    k->from_stream(n, stream.data(), 0.0071f, -127, 127, 128, b.data());
    k->from_float(n, image.data(), 61.3f, -127, 127, 128, c.data());
    const auto expect = [](float v, int low, int high) {
      return std::isnan(v) ? low : static_cast<int>(std::clamp(std::rint(v), float(low), float(high)));
    };
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t t = i % static_cast<std::size_t>(period);
      const float v = static_cast<float>(4 * acc[i] + bias[t]) * multiplier[t];
      ASSERT_EQ(a[i], expect(v, 3, 200)) << k->isa << i;
      ASSERT_EQ(s[i], std::clamp(expect(v, -900, 900) + stream[i], -32768, 32767)) << k->isa << i;
      ASSERT_EQ(b[i], expect(static_cast<float>(stream[i]) * 0.0071f, -127, 127) + 128) << k->isa << i;
      ASSERT_EQ(c[i], expect(image[i] * 61.3f, -127, 127) + 128) << k->isa << i;
    }
  }
}

TEST(IntegerNetwork, RefusesNumbersThatAreNotFinite) {
  IntegerNetwork n = random_network(1);
  n.layers[2].multiplier[0] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(IntegerExecutor{n}, Error);
}

TEST(IntegerNetwork, RefusesSumsThatCouldLeave32Bits) {
  IntegerNetwork n = random_network(1);
  n.layers[2].bias[0] = std::numeric_limits<std::int32_t>::max();
  try {
    n.validate();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
    EXPECT_THAT(error.what(), testing::HasSubstr("layer 2 channel 0"));
  }
}

TEST(IntegerNetwork, RefusesADepthwiseLayerOnSignedInput) {
  Builder b(1, 3);
  b.add(Kind::dense, 8, 3, 1, true, false);
  b.network.classes = 10;
  b.add(Kind::depthwise, 8, 3, 1, true, true);
  b.add(Kind::linear, 10, 1, 1, false, true);
  EXPECT_THROW(b.network.validate(), Error);
}

TEST(IntegerSelfTest, SaysThatOneDnnIsExactHere) {
  EXPECT_THAT(integer_self_test(), testing::StartsWith("int8 exact (" + onednn_isa()));
  EXPECT_THAT(onednn_version(), testing::MatchesRegex("[0-9]+.[0-9]+.[0-9]+"));
}

}  // namespace
}  // namespace apq::nn
