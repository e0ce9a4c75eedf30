// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
// Own kernels on the layers of the reference network, each beside oneDNN's primitive for the same work:
//   bench_kernels [--benchmark_filter=depthwise.*k7] [--benchmark_format=json]
// BATCH and THREADS in the environment (64, 1). Both sides are timed on warm memory; the counters are the
// least of their times and the ratio of the two.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "apq/config/config.hpp"
#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "apq/nn/bf16.hpp"
#include "apq/nn/buffer.hpp"
#include "apq/nn/primitives.hpp"
#include "nn/fused_layer.hpp"
#include "nn/integer_shape.hpp"
#include "nn/kernels/mlp_kernels.hpp"
#include "nn/kernels/pair_kernels.hpp"
#include "nn/kernels/requantize.hpp"
#include "nn/onednn/product.hpp"
#include "nn/passes.hpp"

namespace {

using namespace apq;
using nn::AlignedVector, nn::ConvShape, nn::Kind, nn::Pass, nn::Precision;

int number(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::max(1, std::atoi(text)) : otherwise;
}

AlignedVector<float> numbers(std::int64_t n) {
  AlignedVector<float> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 17) / 8 - 1;
  return values;
}

/// Times `own` in the loop; `other` gives the least seconds of some runs of the other side, once before the
/// loop and once after, so that a change of the machine's speed meets both.
template <class Own, class Other>
void compare(benchmark::State& state, double operations, Own own, Other other) {
  double least = 1e30, least_other = other();
  for (auto _ : state) {
    const Timer timer;
    own();
    least = std::min(least, timer.seconds());
  }
  least_other = std::min(least_other, other());
  state.counters["least_us"] = 1e6 * least;
  state.counters["onednn_us"] = 1e6 * least_other;
  state.counters["times_onednn"] = least_other / least;
  state.counters["Gop/s"] = operations / least / 1e9;
}

double macs(Kind kind, const ConvShape& s) {
  return static_cast<double>(s.rows_out()) * s.kernel * s.kernel * s.cout *
         (kind == Kind::depthwise ? 1 : s.cin);
}

/// Of tensors stored as T, whose products are computed with numbers of this precision.
template <class T>
void forward(benchmark::State& state, Kind kind, const ConvShape& s, Precision precision) {
  std::vector<T> x(static_cast<std::size_t>(s.rows_in() * s.cin));
  const auto values = numbers(s.rows_in() * s.cin);
  for (std::size_t i = 0; i < x.size(); ++i) nn::assign(x[i], values[i]);
  const auto w = numbers(std::int64_t{s.kernel} * s.kernel * s.cin * s.cout);
  AlignedVector<T> y(static_cast<std::size_t>(s.rows_out() * s.cout));
  compare(
      state, 2 * macs(kind, s),
      [&] {
        nn::convolve(kind, s, {x.data(), {}}, w.data(), s.cout, y.data());
      },
      [&] { return nn::convolution_seconds(kind, s, Pass::forward, precision); });
}

void backward(benchmark::State& state, Kind kind, const ConvShape& s, Pass pass) {
  const auto x = numbers(s.rows_in() * s.cin), dy = numbers(s.rows_out() * s.cout);
  const auto w = numbers(std::int64_t{s.kernel} * s.kernel * s.cin * s.cout);
  AlignedVector<float> result(std::max(x.size(), w.size()));
  const bool data = pass == Pass::backward_data;
  compare(
      state, 2 * macs(kind, s),
      [&] {
        nn::convolve_backward(kind, s, {x.data(), {}}, w.data(), s.cout, nn::OutputGradient(dy.data()),
                              data ? nullptr : result.data(), s.cout, data ? result.data() : nullptr);
      },
      [&] { return nn::convolution_seconds(kind, s, pass, Precision::fp32); });
}

nn::IntegerLayer integer_layer(Kind kind, const ConvShape& s) {
  nn::IntegerLayer l;
  l.kind = kind;
  l.cin = s.cin;
  l.cout = s.cout;
  l.size = s.size;
  l.kernel = s.kernel;
  l.stride = s.stride;
  l.weight.assign(static_cast<std::size_t>(nn::taps(l) * l.cout), 1);
  l.shift = 1;
  l.bias.assign(static_cast<std::size_t>(l.cout), 1);
  l.multiplier.assign(static_cast<std::size_t>(l.cout), 0.1f);
  return l;
}

/// A layer with its requantization to 8 bits on our own kernels, one thread; oneDNN's convolution has a ReLU.
void fused(benchmark::State& state, Kind kind, const ConvShape& s) {
  const nn::IntegerLayer l = integer_layer(kind, s);
  if (!nn::FusedLayer::supports(l)) return state.SkipWithError("no kernels of our own on this CPU");
  const nn::FusedLayer layer(l);
  const AlignedVector<std::uint8_t> x(static_cast<std::size_t>(s.rows_in() * s.cin + layer.read_ahead()), 3);
  AlignedVector<std::uint8_t> y(static_cast<std::size_t>(s.rows_out() * s.cout));
  nn::kernels::Requantization q = layer.requantization();
  q.bytes = y.data();
  compare(
      state, 2 * macs(kind, s),
      [&] {
        layer.run(x.data(), {0, std::int64_t{s.batch} * s.size_out()}, q);
      },
      [&] { return nn::convolution_seconds(kind, s, Pass::forward, Precision::int8); });
}

/// Where a CPU has no such kernels: oneDNN's 32-bit sums and then their requantization.
void integer(benchmark::State& state, Kind kind, const ConvShape& s) {
  nn::onednn::IntegerProduct product(integer_layer(kind, s), s.batch);
  const AlignedVector<std::uint8_t> x(static_cast<std::size_t>(s.rows_in() * s.cin), 3);
  const std::int64_t n = s.rows_out() * s.cout, period = 64 * std::int64_t{s.cout};
  AlignedVector<std::int32_t> sums(static_cast<std::size_t>(n)), bias(static_cast<std::size_t>(period), 1);
  const AlignedVector<float> multiplier(static_cast<std::size_t>(period), 0.1f);
  AlignedVector<std::uint8_t> y(static_cast<std::size_t>(n));
  compare(
      state, 2 * macs(kind, s),
      [&] {
        product.run(x.data(), sums.data());
        nn::requantize_kernels().to_u8(n, period, sums.data(), 1, bias.data(), multiplier.data(), 0, 255,
                                       y.data());
      },
      [&] { return nn::convolution_seconds(kind, s, Pass::forward, Precision::int8); });
}

/// 32-bit sums to unsigned 8 bit with bias and multiplier per channel; oneDNN's reorder only clamps and
/// rounds.
void requantize(benchmark::State& state, std::int64_t rows, int channels) {
  const std::int64_t n = rows * channels, period = 64 * std::int64_t{channels};
  AlignedVector<std::int32_t> sums(static_cast<std::size_t>(n), 77),
      bias(static_cast<std::size_t>(period), 1);
  const AlignedVector<float> multiplier(static_cast<std::size_t>(period), 0.1f);
  AlignedVector<std::uint8_t> y(static_cast<std::size_t>(n));
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  using dnnl::memory;
  memory from({{n}, memory::data_type::s32, memory::format_tag::a}, engine, sums.data());
  memory to({{n}, memory::data_type::u8, memory::format_tag::a}, engine, y.data());
  dnnl::reorder reorder(from, to);
  dnnl::stream stream(engine);
  compare(
      state, static_cast<double>(n),
      [&] {
        nn::requantize_kernels().to_u8(n, period, sums.data(), 1, bias.data(), multiplier.data(), 0, 255,
                                       y.data());
      },
      [&] {
        double least = 1e30;
        for (int run = 0; run < 7; ++run) {
          const Timer timer;
          reorder.execute(stream, from, to);
          stream.wait();
          least = std::min(least, timer.seconds());
        }
        return least;
      });
}

/// One hidden product of the accuracy predictor with bias and ReLU; oneDNN multiplies only.
void perceptron(benchmark::State& state, int rows, int width) {
  const auto x = numbers(std::int64_t{rows} * width), bias = numbers(width);
  const int panels = (width + nn::kernels::kMlpPanel - 1) / nn::kernels::kMlpPanel;
  const auto packed = numbers(std::int64_t{panels} * width * nn::kernels::kMlpPanel);
  AlignedVector<float> y(x.size());
  const ConvShape s{rows, 1, width, width, 1, 1};
  compare(
      state, 2 * macs(Kind::linear, s),
      [&] {
        nn::kernels::mlp_kernels().dense_relu(rows, width, x.data(), packed.data(), bias.data(), y.data());
      },
      [&] { return nn::convolution_seconds(Kind::linear, s, Pass::forward, Precision::fp32); });
}

template <class... Arguments>
void add(const std::string& name, Arguments... arguments) {
  benchmark::RegisterBenchmark(name.c_str(), arguments...)
      ->Unit(benchmark::kMicrosecond)
      ->MinTime(0.05)
      ->UseRealTime();
}

/// Every different layer of the network with this kernel; those without kernel once.
void add_layers(config::Config config, int kernel) {
  for (auto& stage : config.space.stages) stage.kernels = {kernel};
  const space::SearchSpace space(config.space);
  std::set<std::tuple<int, int, int, int>> seen;
  for (const auto& l : space.expand(space.largest())) {
    const bool depthwise = l.kind == space::LayerKind::depthwise;
    if (!depthwise && (l.kind != space::LayerKind::pointwise || kernel != 3)) continue;
    if (!seen.emplace(l.size, l.cin, l.cout, l.stride).second) continue;
    const Kind kind = depthwise ? Kind::depthwise : Kind::pointwise;
    const ConvShape s{number("BATCH", 64), l.size, l.cin, l.cout, l.kernel, l.stride};
    const std::string shape = depthwise
                                  ? fmt::format("k{}/{}x{}x{}/s{}", s.kernel, s.size, s.size, s.cin, s.stride)
                                  : fmt::format("{}x{}x{}/{}", s.size, s.size, s.cin, s.cout);
    const std::string name = depthwise ? "depthwise" : "pointwise";
    add(name + "/forward/" + shape, forward<float>, kind, s, Precision::fp32);
    if (!depthwise && nn::kernels::pair_kernels())
      add(name + "/bf16/" + shape, forward<nn::Bf16>, kind, s, Precision::bf16);
    add(name + "/backward_data/" + shape, backward, kind, s, Pass::backward_data);
    add(name + "/backward_weights/" + shape, backward, kind, s, Pass::backward_weights);
    add(name + "/int8/" + shape, fused, kind, s);
    add(name + "/int8_in_two_steps/" + shape, integer, kind, s);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  nn::set_threads(number("THREADS", 1));
  const config::Config config = config::load(APQ_SOURCE_DIR "/configs/bench/mbconv.yaml");
  for (const int kernel : {3, 5, 7}) add_layers(config, kernel);
  for (const int channels : {144, 576})
    add(fmt::format("requantize/4096x{}", channels), requantize, 4096, channels);
  for (const int width : {256, 400}) add(fmt::format("perceptron/fp32/{}", width), perceptron, 1024, width);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
} catch (const apq::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return error.exit_code();
}
