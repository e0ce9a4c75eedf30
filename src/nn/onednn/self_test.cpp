// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "apq/core/error.hpp"
#include "apq/core/random.hpp"
#include "apq/nn/integer.hpp"
#include "nn/fused_layer.hpp"
#include "nn/integer_shape.hpp"
#include "nn/onednn/product.hpp"

namespace apq::nn {
namespace {

IntegerLayer make_layer(Kind kind, int cin, int cout, int size, int kernel, int stride) {
  IntegerLayer l;
  l.kind = kind;
  l.cin = cin;
  l.cout = cout;
  l.size = size;
  l.kernel = kernel;
  l.stride = stride;
  l.weight.assign(static_cast<std::size_t>(taps(l)) * static_cast<std::size_t>(cout), 127);
  l.bias.assign(static_cast<std::size_t>(cout), 0);
  l.multiplier.assign(static_cast<std::size_t>(cout), 0x1p-12f);
  return l;
}

std::int32_t plain_sum(const IntegerLayer& l, const std::vector<std::uint8_t>& in, int y, int x,
                       int channel) {
  const bool depthwise = l.kind == Kind::depthwise;
  const int channels = depthwise ? 1 : l.cin, half = l.kernel / 2;
  std::int32_t sum = 0;
  for (int ky = 0; ky < l.kernel; ++ky)
    for (int kx = 0; kx < l.kernel; ++kx) {
      const int iy = y * l.stride + ky - half, ix = x * l.stride + kx - half;
      if (iy < 0 || ix < 0 || iy >= l.size || ix >= l.size) continue;
      for (int c = 0; c < channels; ++c)
        sum += in[static_cast<std::size_t>((iy * l.size + ix) * l.cin + (depthwise ? channel : c))] *
               l.weight[static_cast<std::size_t>(((ky * l.kernel + kx) * channels + c) * l.cout + channel)];
    }
  return sum;
}

[[noreturn]] void report(const char* whose, const IntegerLayer& l, std::int32_t got, std::int32_t expected) {
  fail(ErrorKind::environment,
       "{} 8-bit sums are wrong on this CPU ({} instead of {} with {} channels, kernel {}, {}) set "
       "ONEDNN_MAX_CPU_ISA=SSE41 or use another oneDNN version",
       whose, got, expected, l.cin, l.kernel, onednn_isa());
}

/// The layer on our own kernels; throws when a byte differs.
void compare_fused(const IntegerLayer& l, std::vector<std::uint8_t> in) {
  const FusedLayer layer(l);
  in.resize(in.size() + static_cast<std::size_t>(layer.read_ahead()));
  const int size = l.size_out();
  std::vector<std::uint8_t> out(static_cast<std::size_t>(size * size * l.cout));
  kernels::Requantization q = layer.requantization();
  q.bytes = out.data();
  layer.run(in.data(), {0, size}, q);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int pixel = static_cast<int>(i) / l.cout, c = static_cast<int>(i) % l.cout;
    const float scaled = static_cast<float>(plain_sum(l, in, pixel / size, pixel % size, c)) * 0x1p-12f;
    const int expected = static_cast<int>(std::clamp(std::rint(scaled), 0.0f, 255.0f));
    if (out[i] != expected) report("our own kernels'", l, out[i], expected);
  }
}

/// Returns the number of weight parts; throws when a sum differs.
int compare(const IntegerLayer& l, const std::vector<std::uint8_t>& in) {
  onednn::IntegerProduct product(l, 1);
  const int size = l.size_out();
  std::vector<std::int32_t> sums(static_cast<std::size_t>(size * size * l.cout));
  product.run(in.data(), sums.data());
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x)
      for (int c = 0; c < l.cout; ++c) {
        const std::int32_t expected = plain_sum(l, in, y, x, c);
        const std::int32_t got = sums[static_cast<std::size_t>((y * size + x) * l.cout + c)];
        if (got != expected) report("oneDNN's", l, got, expected);
      }
  return product.parts();
}

}  // namespace

std::string integer_self_test() {
  const IntegerLayer shapes[] = {
      make_layer(Kind::pointwise, 64, 64, 8, 1, 1),  make_layer(Kind::depthwise, 64, 64, 8, 3, 1),
      make_layer(Kind::depthwise, 24, 24, 9, 5, 2),  make_layer(Kind::depthwise, 40, 40, 7, 7, 1),
      make_layer(Kind::pointwise, 24, 144, 7, 1, 1), make_layer(Kind::pointwise, 9, 10, 3, 1, 1)};
  int parts = 0;
  for (const IntegerLayer& shape : shapes) {
    IntegerLayer l = shape;
    std::vector<std::uint8_t> in(static_cast<std::size_t>(l.size * l.size * l.cin), 255);
    const bool fused = onednn::has_vnni() && FusedLayer::supports(l);
    parts = std::max(parts, compare(l, in));
    if (fused) compare_fused(l, in);
    RandomStream random(0, Purpose::test, static_cast<std::uint64_t>(l.cin),
                        static_cast<std::uint64_t>(l.kernel));
    for (std::uint8_t& v : in) v = static_cast<std::uint8_t>(random.below(256));
    for (std::int8_t& w : l.weight) w = static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127);
    parts = std::max(parts, compare(l, in));
    if (fused) compare_fused(l, in);
  }
  return fmt::format("int8 exact ({}, {} part{})", onednn_isa(), parts, parts == 1 ? "" : "s");
}

std::string onednn_version() {
  const dnnl_version_t* v = dnnl_version();
  return fmt::format("{}.{}.{}", v->major, v->minor, v->patch);
}

std::string onednn_isa() { return onednn::isa_name(); }

}  // namespace apq::nn
