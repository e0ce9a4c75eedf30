// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/fused_network.hpp"

#include <algorithm>

#include "apq/nn/ops.hpp"
#include "nn/integer_shape.hpp"
#include "nn/kernels/requantize.hpp"
#include "nn/parallel.hpp"

namespace apq::nn {
namespace {

using kernels::Requantization;

/// Bytes of the largest feature map of a slice of images.
constexpr std::int64_t kSliceBytes = std::int64_t{1} << 19;

}  // namespace

bool FusedNetwork::supports(const IntegerNetwork& network) {
  return std::all_of(network.layers.begin(), network.layers.end(), FusedLayer::supports);
}

FusedNetwork::FusedNetwork(const IntegerNetwork& network)
    : network_(network), stream_read_(network.layers.size()) {
  for (const IntegerLayer& l : network.layers) {
    layers_.emplace_back(l);
    if (l.residual_from > 0) stream_read_[static_cast<std::size_t>(l.residual_from - 1)] = true;
  }
  stream_read_[layers_.size() - 2] = true;
  const IntegerLayer& last = network.layers.back();
  pool_multiplier_.assign(static_cast<std::size_t>(last.cin), last.input_ratio);
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
    ahead = std::max(ahead, layers_[i].read_ahead());
    w.streams.emplace_back(static_cast<std::size_t>(stream_read_[i] ? images * elements_out(l) : 0));
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
  Requantization q = layers_[index].requantization();
  if (l.to_stream) {
    const IntegerLayer& next = network_.layers[index + 1];
    q.stream = stream_read_[index] ? w.streams[index].data() : nullptr;
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
  layers_[index].run(w.bytes[index % 2].data(), share.of(std::int64_t{images} * l.size_out()), q);
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
  Requantization q = layers_.back().requantization();
  q.logits = logits;
  layers_.back().run(pooled, own, q);
}

}  // namespace apq::nn
