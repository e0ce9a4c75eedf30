// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/fused_layer.hpp"

#include <algorithm>
#include <cstring>

#include "nn/integer_shape.hpp"

namespace apq::nn {
namespace {

using kernels::Depthwise;
using kernels::kByteBlock;
using kernels::Requantization;

int depth_of(const IntegerLayer& l) { return (taps(l) + 3) / 4 * 4; }

/// [panel][depth / 4][columns][4], zeros where there is no weight.
void pack_product(const IntegerLayer& l, AlignedVector<std::int8_t>& to) {
  const int depth = taps(l);
  for (int first = 0; first < l.cout;) {
    const int width = kernels::panel_columns(l.cout - first, 3);
    for (int k = 0; k < depth; k += 4)
      for (int c = first; c < first + width; ++c)
        for (int i = k; i < k + 4; ++i)
          to.push_back(i < depth && c < l.cout ? l.weight[static_cast<std::size_t>(i * l.cout + c)]
                                               : std::int8_t{0});
    first += width;
  }
}

/// [block][kernel column][four kernel rows][lane][4]
void pack_depthwise(const IntegerLayer& l, AlignedVector<std::int8_t>& to) {
  for (int first = 0; first < l.cin; first += kByteBlock)
    for (int kx = 0; kx < l.kernel; ++kx)
      for (int group = 0; group < kernels::row_groups(l.kernel); ++group)
        for (int lane = 0; lane < kByteBlock; ++lane)
          for (int ky = 4 * group; ky < 4 * group + 4; ++ky) {
            const int channel = first + kernels::channel_of_lane(lane);
            to.push_back(ky < l.kernel && channel < l.cin
                             ? l.weight[static_cast<std::size_t>((ky * l.kernel + kx) * l.cin + channel)]
                             : std::int8_t{0});
          }
}

/// The taps of one line of a dense layer's output, [pixel][depth]; what fills up the depth meets zero
/// weights.
void gather_line(const IntegerLayer& l, const std::uint8_t* image, int line, std::uint8_t* to) {
  const int width = l.kernel * l.cin, row = l.size * l.cin, half = l.kernel / 2;
  for (int x = 0; x < l.size_out(); ++x, to += depth_of(l)) {
    const int left = x * l.stride - half;
    const int begin = std::max(0, -left) * l.cin, end = std::min(l.kernel, l.size - left) * l.cin;
    std::uint8_t* taps = to;
    for (int ky = 0; ky < l.kernel; ++ky, taps += width) {
      const int y = line * l.stride - half + ky;
      const bool inside = y >= 0 && y < l.size;
      if (!inside || begin > 0 || end < width)
        std::memset(taps, l.input_zero, static_cast<std::size_t>(width));
      if (inside)
        std::memcpy(taps + begin, image + std::int64_t{y} * row + left * l.cin + begin,
                    static_cast<std::size_t>(end - begin));
    }
  }
}

/// Memory of this thread for a line.
std::uint8_t* line_memory(std::int64_t n) {
  static thread_local Scratch<std::uint8_t> memory;
  return memory.get(static_cast<std::size_t>(n));
}

}  // namespace

bool FusedLayer::supports(const IntegerLayer& l) {
  return kernels::integer_kernels() && (l.kind != Kind::depthwise || (l.kernel <= 7 && !l.to_stream));
}

FusedLayer::FusedLayer(const IntegerLayer& l) : layer_(l) {
  const bool depthwise = l.kind == Kind::depthwise;
  depthwise ? pack_depthwise(l, weights_) : pack_product(l, weights_);
  for (int first = 0; first < l.cout; first += kByteBlock)
    for (int lane = 0; lane < kByteBlock; ++lane) {
      const auto c = static_cast<std::size_t>(first + (depthwise ? kernels::channel_of_lane(lane) : lane));
      const bool exists = c < l.bias.size();
      bias_.push_back(exists ? l.bias[c] : 0);
      multiplier_.push_back(exists ? l.multiplier[c] : 0.0f);
    }
}

Requantization FusedLayer::requantization() const {
  Requantization q;
  q.output = layer_.kind == Kind::linear ? Requantization::Output::logits
             : layer_.to_stream          ? Requantization::Output::stream
                                         : Requantization::Output::bytes;
  q.channels = layer_.cout;
  q.shift = layer_.shift;
  q.bias = bias_.data();
  q.multiplier = multiplier_.data();
  q.low = static_cast<float>(layer_.low);
  q.high = static_cast<float>(layer_.high);
  return q;
}

void FusedLayer::run_rows(const std::uint8_t* in, Range rows, const Requantization& q) const {
  constexpr std::int64_t kBlockBytes = 1 << 14;  // of input, read again for every panel of weights
  const std::int64_t block = std::max<std::int64_t>(24, kBlockBytes / layer_.cin / 24 * 24);
  for (std::int64_t row = rows.begin; row < rows.end; row += block)
    kernels_.product(row, std::min(block, rows.end - row), taps(layer_), in + row * layer_.cin, layer_.cin,
                     weights_.data(), q);
}

void FusedLayer::run(const std::uint8_t* in, Range lines, const Requantization& q) const {
  const IntegerLayer& l = layer_;
  const int size = l.kind == Kind::linear ? 1 : l.size_out();
  if (l.kind == Kind::pointwise || l.kind == Kind::linear)
    return run_rows(in, {lines.begin * size, lines.end * size}, q);
  const bool dense = l.kind == Kind::dense;
  const Depthwise d{l.size, size, l.cin, l.kernel, l.stride};
  const int depth = depth_of(l);
  std::uint8_t* scratch =
      line_memory(dense ? std::int64_t{size + kernels::kReadAheadRows} * depth : kernels::line_scratch(d));
  for (std::int64_t at = lines.begin; at < lines.end; ++at) {
    const std::uint8_t* image = in + at / size * elements_in(l);
    const int line = static_cast<int>(at % size);
    if (dense) {
      gather_line(l, image, line, scratch);
      kernels_.product(at * size, size, depth, scratch, depth, weights_.data(), q);
    } else {
      kernels_.depthwise(d, line, at * size, image, weights_.data(), scratch, q);
    }
  }
}

}  // namespace apq::nn
