// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/nn/integer.hpp"

#include <algorithm>
#include <cmath>

#include "nn/integer_shape.hpp"

namespace apq::nn::ref {
namespace {

using Values = std::vector<std::int32_t>;

std::int32_t quantize(float value, std::int32_t low, std::int32_t high) {
  const float rounded = std::rint(value);
  if (!(rounded > static_cast<float>(low))) return low;
  return rounded < static_cast<float>(high) ? static_cast<std::int32_t>(rounded) : high;
}

Values quantize_input(const IntegerLayer& l, const auto& values) {
  Values q;
  q.reserve(values.size());
  for (const auto v : values)
    q.push_back(quantize(static_cast<float>(v) * l.input_ratio, l.input_low, l.input_high) + l.input_zero);
  return q;
}

/// Sum over the taps of one output; taps outside the image read input_zero.
std::int32_t sum_at(const IntegerLayer& l, const Values& in, int oy, int ox, int oc) {
  const bool depthwise = l.kind == Kind::depthwise;
  const int channels = depthwise ? 1 : l.cin;
  std::int32_t sum = 0;
  for (int ky = 0; ky < l.kernel; ++ky)
    for (int kx = 0; kx < l.kernel; ++kx) {
      const int y = oy * l.stride + ky - l.kernel / 2, x = ox * l.stride + kx - l.kernel / 2;
      const bool inside = y >= 0 && y < l.size && x >= 0 && x < l.size;
      for (int c = 0; c < channels; ++c) {
        const int tap = (ky * l.kernel + kx) * channels + c;
        const std::int32_t value =
            inside ? in[static_cast<std::size_t>((y * l.size + x) * l.cin + (depthwise ? oc : c))]
                   : l.input_zero;
        sum += value * l.weight[static_cast<std::size_t>(tap * l.cout + oc)];
      }
    }
  return sum;
}

Values convolve(const IntegerLayer& l, const Values& in, const Values* residual) {
  const int size = l.size_out();
  Values out(static_cast<std::size_t>(size * size * l.cout));
  for (int oy = 0; oy < size; ++oy)
    for (int ox = 0; ox < size; ++ox)
      for (int oc = 0; oc < l.cout; ++oc) {
        const auto at = static_cast<std::size_t>((oy * size + ox) * l.cout + oc);
        const auto c = static_cast<std::size_t>(oc);
        const std::int32_t sum = (sum_at(l, in, oy, ox, oc) << l.shift) + l.bias[c];
        out[at] = quantize(static_cast<float>(sum) * l.multiplier[c], l.low, l.high);
        if (residual) out[at] = std::clamp(out[at] + (*residual)[at], -32768, 32767);
      }
  return out;
}

Values sum_pixels(const Values& in, int channels) {
  Values sums(static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < in.size(); ++i) sums[i % sums.size()] += in[i];
  return sums;
}

void forward_image(const IntegerNetwork& network, const float* x, float* logits) {
  const std::vector<IntegerLayer>& layers = network.layers;
  const std::vector<float> image(x, x + network.input_size * network.input_size * network.input_channels);
  std::vector<Values> streams(layers.size() + 1);  // the stream at the input of each layer
  Values in = quantize_input(layers.front(), image);
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
    const IntegerLayer& l = layers[i];
    if (l.input_from_stream) in = quantize_input(l, streams[i]);
    Values out =
        convolve(l, in, l.residual_from < 0 ? nullptr : &streams[static_cast<std::size_t>(l.residual_from)]);
    (l.to_stream ? streams[i + 1] : in) = std::move(out);
  }
  const IntegerLayer& last = layers.back();
  const Values pooled = quantize_input(last, sum_pixels(streams[layers.size() - 1], last.cin));
  for (std::size_t c = 0; c < static_cast<std::size_t>(last.cout); ++c) {
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < pooled.size(); ++k)
      sum += pooled[k] * last.weight[k * static_cast<std::size_t>(last.cout) + c];
    logits[c] = static_cast<float>((sum << last.shift) + last.bias[c]) * last.multiplier[c];
  }
}

}  // namespace

void integer_forward(const IntegerNetwork& network, const float* x, int batch, float* logits) {
  network.validate();
  const int pixels = network.input_size * network.input_size * network.input_channels;
  for (int b = 0; b < batch; ++b)
    forward_image(network, x + std::int64_t{b} * pixels, logits + std::int64_t{b} * network.classes);
}

}  // namespace apq::nn::ref
