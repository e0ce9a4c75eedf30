// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/integer_fused.hpp"

#include <algorithm>
#include <cstring>

#include "apq/nn/ops.hpp"
#include "nn/integer_shape.hpp"
#include "nn/kernels/requantize.hpp"
#include "nn/parallel.hpp"

namespace apq::nn {
namespace {

using kernels::Depthwise;
using kernels::kByteBlock;
using kernels::kLanes;
using kernels::Requantization;

/// Bytes of the largest feature map of a slice of images.
constexpr std::int64_t kSliceBytes = std::int64_t{1} << 19;

std::int64_t elements_in(const IntegerLayer& l) { return std::int64_t{l.size} * l.size * l.cin; }
std::int64_t elements_out(const IntegerLayer& l) { return rows_out(l) * l.cout; }
int depth_of(const IntegerLayer& l) { return (taps(l) + 3) / 4 * 4; }
Depthwise geometry(const IntegerLayer& l) { return {l.size, l.size_out(), l.cin, l.kernel, l.stride}; }

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

/// What one of the threads does that take some images through the network together.
struct FusedNetwork::Share {
  int part, parts;

  Range of(std::int64_t n) const { return part_of(n, part, parts); }
  /// All threads reach this before any goes on. With parts > 1 these are all threads of the parallel region.
  void wait() const {
    if (parts > 1) {
#pragma omp barrier
    }
  }
};

bool FusedNetwork::supports(const IntegerNetwork& network) {
  return kernels::integer_kernels() &&
         std::all_of(network.layers.begin(), network.layers.end(), [](const IntegerLayer& l) {
           return l.kind != Kind::depthwise || (l.kernel <= 7 && !l.to_stream);
         });
}

FusedNetwork::FusedNetwork(const IntegerNetwork& network) : network_(network) {
  const std::vector<IntegerLayer>& layers = network.layers;
  for (const IntegerLayer& l : layers) layers_.push_back(prepare(l));
  layers_[layers.size() - 2].stream_read = true;
  for (const IntegerLayer& l : layers)
    if (l.residual_from > 0) layers_[static_cast<std::size_t>(l.residual_from - 1)].stream_read = true;
  pool_multiplier_.assign(static_cast<std::size_t>(layers.back().cin), layers.back().input_ratio);
}

FusedNetwork::Prepared FusedNetwork::prepare(const IntegerLayer& l) {
  Prepared p;
  const bool depthwise = l.kind == Kind::depthwise;
  depthwise ? pack_depthwise(l, p.weights) : pack_product(l, p.weights);
  for (int first = 0; first < l.cout; first += kByteBlock)
    for (int lane = 0; lane < kByteBlock; ++lane) {
      const auto c = static_cast<std::size_t>(first + (depthwise ? kernels::channel_of_lane(lane) : lane));
      const bool exists = c < l.bias.size();
      p.bias.push_back(exists ? l.bias[c] : 0);
      p.multiplier.push_back(exists ? l.multiplier[c] : 0.0f);
    }
  return p;
}

int FusedNetwork::slice() const {
  std::int64_t largest = 1;
  for (const IntegerLayer& l : network_.layers) largest = std::max(largest, elements_out(l));
  return static_cast<int>(std::max<std::int64_t>(1, kSliceBytes / largest));
}

FusedNetwork::Workspace FusedNetwork::make_workspace(int images) const {
  Workspace w;
  std::int64_t bytes = 0, ahead = 0;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const IntegerLayer& l = network_.layers[i];
    bytes = std::max({bytes, images * elements_in(l), images * elements_out(l)});
    ahead = std::max<std::int64_t>(ahead, kernels::kReadAheadRows * l.cin + kernels::kReadAhead);
    w.streams.emplace_back(static_cast<std::size_t>(layers_[i].stream_read ? images * elements_out(l) : 0));
  }
  for (auto& b : w.bytes) b.resize(static_cast<std::size_t>(bytes + ahead));
  return w;
}

void FusedNetwork::run(const float* x, int batch, float* logits, const std::function<void(int)>& observer) {
  const int wanted = threads();
  const bool together = wanted > 1 && (observer || batch < wanted);
  const std::int64_t image = elements_in(network_.layers.front());
  const int slice = std::min(this->slice(), batch);
  if (slice > images_) workspaces_.clear();
  images_ = std::max(images_, slice);
  while (static_cast<int>(workspaces_.size()) < (together ? 1 : wanted))
    workspaces_.push_back(make_workspace(images_));

  const auto walk = [&](Workspace& w, const Share& share, Range images) {
    for (std::int64_t first = images.begin; first < images.end; first += slice)
      forward(w, share, x + first * image,
              static_cast<int>(std::min<std::int64_t>(slice, images.end - first)),
              logits + first * network_.classes, observer);
  };
#pragma omp parallel num_threads(wanted)
  {
    // The runtime may grant fewer threads than asked for.
    const int thread = omp_get_thread_num(), granted = omp_get_num_threads();
    if (together)
      walk(workspaces_[0], {thread, granted}, {0, batch});
    else
      for (int part = thread; part < wanted; part += granted)
        walk(workspaces_[static_cast<std::size_t>(part)], {0, 1}, part_of(batch, part, wanted));
  }
}

void FusedNetwork::forward(Workspace& w, const Share& share, const float* x, int images, float* logits,
                           const std::function<void(int)>& observer) const {
  const auto reached = [&](std::size_t layer) {
    share.wait();
    if (observer && share.part == 0) observer(static_cast<int>(layer));
  };
  reached(0);
  quantize_image(w, share, x, images);
  share.wait();
  for (std::size_t i = 0; i + 1 < layers_.size(); ++i) {
    run_layer(i, w, share, images);
    reached(i + 1);
  }
  classify(w, share, images, logits);
  reached(layers_.size());
}

void FusedNetwork::quantize_image(Workspace& w, const Share& share, const float* x, int images) const {
  const IntegerLayer& l = network_.layers.front();
  const Range own = share.of(images * elements_in(l));
  requantize_kernels().from_float(own.end - own.begin, x + own.begin, l.input_ratio, l.input_low,
                                  l.input_high, l.input_zero, w.bytes[0].data() + own.begin);
}

void FusedNetwork::run_layer(std::size_t index, Workspace& w, const Share& share, int images) const {
  const IntegerLayer& l = network_.layers[index];
  const Prepared& p = layers_[index];
  const std::uint8_t* in = w.bytes[index % 2].data();
  Requantization q;
  q.channels = l.cout;
  q.shift = l.shift;
  q.bias = p.bias.data();
  q.multiplier = p.multiplier.data();
  q.low = static_cast<float>(l.low);
  q.high = static_cast<float>(l.high);
  if (l.to_stream) {
    const IntegerLayer& next = network_.layers[index + 1];
    q.output = Requantization::Output::stream;
    q.stream = p.stream_read ? w.streams[index].data() : nullptr;
    q.residual =
        l.residual_from < 0 ? nullptr : w.streams[static_cast<std::size_t>(l.residual_from - 1)].data();
    q.next = next.kind == Kind::linear ? nullptr : w.bytes[1 - index % 2].data();
    q.next_ratio = next.input_ratio;
    q.next_low = static_cast<float>(next.input_low);
    q.next_high = static_cast<float>(next.input_high);
    q.next_zero = next.input_zero;
  } else {
    q.bytes = w.bytes[1 - index % 2].data();
  }

  const int size = l.size_out();
  const Range lines = share.of(std::int64_t{images} * size);
  if (l.kind == Kind::pointwise) {
    constexpr std::int64_t kBlockBytes = 1 << 14;  // of input, read again for every panel of weights
    const std::int64_t block = std::max<std::int64_t>(24, kBlockBytes / l.cin / 24 * 24);
    for (std::int64_t row = lines.begin * size; row < lines.end * size; row += block)
      kernels_.product(row, std::min(block, lines.end * size - row), taps(l), in + row * l.cin, l.cin,
                       p.weights.data(), q);
    return;
  }
  const bool dense = l.kind == Kind::dense;
  const Depthwise d = geometry(l);
  const int depth = depth_of(l);
  std::uint8_t* scratch =
      line_memory(dense ? std::int64_t{size + kernels::kReadAheadRows} * depth : kernels::line_scratch(d));
  for (std::int64_t at = lines.begin; at < lines.end; ++at) {
    const std::uint8_t* image = in + at / size * elements_in(l);
    const int line = static_cast<int>(at % size);
    if (dense) {
      gather_line(l, image, line, scratch);
      kernels_.product(at * size, size, depth, scratch, depth, p.weights.data(), q);
    } else {
      kernels_.depthwise(d, line, at * size, image, p.weights.data(), scratch, q);
    }
  }
}

/// Average pool and linear layer.
void FusedNetwork::classify(Workspace& w, const Share& share, int images, float* logits) const {
  const IntegerLayer& l = network_.layers.back();
  const std::size_t head = layers_.size() - 2;
  const std::int64_t rows = rows_out(network_.layers[head]), channels = l.cin;
  const Range own = share.of(images);
  std::vector<std::int32_t> sums(static_cast<std::size_t>(channels)), no_bias(sums.size());
  std::uint8_t* pooled = w.bytes[(head + 1) % 2].data();
  for (std::int64_t b = own.begin; b < own.end; ++b) {
    requantize_kernels().sum_rows(rows, channels, w.streams[head].data() + b * rows * channels, sums.data());
    requantize_kernels().to_u8(channels, channels, sums.data(), 0, no_bias.data(), pool_multiplier_.data(),
                               l.input_low, l.input_high, pooled + b * channels);
  }
  const Prepared& p = layers_.back();
  Requantization q;
  q.output = Requantization::Output::logits;
  q.channels = l.cout;
  q.shift = l.shift;
  q.bias = p.bias.data();
  q.multiplier = p.multiplier.data();
  q.logits = logits;
  kernels_.product(own.begin, own.end - own.begin, taps(l), pooled + own.begin * channels, channels,
                   p.weights.data(), q);
}

}  // namespace apq::nn
