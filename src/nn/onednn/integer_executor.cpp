// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "apq/nn/buffer.hpp"
#include "apq/nn/integer.hpp"
#include "apq/nn/ops.hpp"
#include "nn/fused_network.hpp"
#include "nn/integer_shape.hpp"
#include "nn/kernels/requantize.hpp"
#include "nn/onednn/product.hpp"

namespace apq::nn {
namespace {

using onednn::IntegerProduct;

/// 32-bit sums of one slice of images should stay in a core's second-level cache.
constexpr std::int64_t kSliceBytes = std::int64_t{1} << 20;

/// Calls work(first, count) on parts of [0, n) that start at multiples of `step`, on all threads.
template <class Work>
void in_parallel(std::int64_t n, std::int64_t step, Work work) {
  constexpr std::int64_t kLeast = 1 << 14;  // elements that pay for waking a thread
  const std::int64_t block = std::max(step, (kLeast + step - 1) / step * step);
  const std::int64_t blocks = (n + block - 1) / block;
#pragma omp parallel for schedule(static) if (blocks > 1)
  for (std::int64_t b = 0; b < blocks; ++b) work(b * block, std::min(block, n - b * block));
}

/// Per-channel bias and multiplier, repeated to full vectors.
struct Table {
  std::int64_t period;
  AlignedVector<std::int32_t> bias;
  AlignedVector<float> multiplier;

  Table(const std::vector<std::int32_t>& biases, const std::vector<float>& multipliers) {
    constexpr std::int64_t kVector = 64;
    const auto channels = static_cast<std::int64_t>(biases.size());
    period = std::lcm(channels, kVector);
    for (std::int64_t i = 0; i < period; ++i) {
      bias.push_back(biases[static_cast<std::size_t>(i % channels)]);
      multiplier.push_back(multipliers[static_cast<std::size_t>(i % channels)]);
    }
  }
};

/// Rows of a dense convolution. The image is first copied between borders of input_zero, so that the taps of
/// one kernel row are neighbours in memory.
class Columns {
 public:
  explicit Columns(const IntegerLayer& l)
      : l_(l), border_(l.kernel / 2), row_((l.size + 2 * border_) * l.cin), segment_(l.kernel * l.cin) {}

  void fill(int images, const std::uint8_t* in, std::uint8_t* columns) {
    const std::int64_t padded = std::int64_t{row_} * (l_.size + 2 * border_);
    const std::int64_t out = rows_out(l_) * taps(l_), image = std::int64_t{l_.size} * l_.size * l_.cin;
    std::uint8_t* scratch = padded_.get(static_cast<std::size_t>(padded * images));
#pragma omp parallel for schedule(static) if (images > 1)
    for (int b = 0; b < images; ++b) {
      pad(in + b * image, scratch + b * padded);
      switch (segment_) {  // the usual first layers, with copies of known length
        case 3:
          gather<3>(scratch + b * padded, columns + b * out);
          break;
        case 9:
          gather<9>(scratch + b * padded, columns + b * out);
          break;
        default:
          gather<0>(scratch + b * padded, columns + b * out);
      }
    }
  }

 private:
  void pad(const std::uint8_t* in, std::uint8_t* out) const {
    const auto width = static_cast<std::size_t>(l_.size * l_.cin);
    std::memset(out, l_.input_zero,
                static_cast<std::size_t>(row_) * static_cast<std::size_t>(l_.size + 2 * border_));
    for (int y = 0; y < l_.size; ++y)
      std::memcpy(out + (y + border_) * row_ + border_ * l_.cin, in + static_cast<std::size_t>(y) * width,
                  width);
  }

  template <int Length>
  void gather(const std::uint8_t* padded, std::uint8_t* columns) const {
    const int length = Length ? Length : segment_;
    const int size = l_.size_out();
    for (int y = 0; y < size; ++y)
      for (int x = 0; x < size; ++x)
        for (int k = 0; k < l_.kernel; ++k, columns += length)
          std::memcpy(columns, padded + (y * l_.stride + k) * row_ + x * l_.stride * l_.cin,
                      static_cast<std::size_t>(length));
  }

  const IntegerLayer& l_;
  int border_, row_, segment_;
  Scratch<std::uint8_t> padded_;
};

/// Primitives and buffers for a fixed number of images and threads.
class Plan {
 public:
  Plan(const IntegerNetwork& network, const std::vector<Table>& tables, int images)
      : network_(network), tables_(tables) {
    const auto n = static_cast<std::int64_t>(images);
    std::int64_t inputs = 0, columns = 0, sums = 0;
    for (const IntegerLayer& l : network.layers) {
      products_.emplace_back(l, images);
      columns_.emplace_back(l);
      inputs = std::max({inputs, n * elements_in(l), n * elements_out(l)});
      sums = std::max({sums, n * elements_out(l), n * std::int64_t{l.cin}});
      if (l.kind == Kind::dense) columns = std::max(columns, n * rows_out(l) * taps(l));
      streams_.emplace_back(static_cast<std::size_t>(l.to_stream ? n * elements_out(l) : 0), std::int16_t{0});
    }
    // Zeros: images that fill up the last slice are computed and not used.
    in_.assign(static_cast<std::size_t>(inputs), 0);
    out_.assign(static_cast<std::size_t>(inputs), 0);
    unrolled_.assign(static_cast<std::size_t>(columns), 0);
    sums_.assign(static_cast<std::size_t>(sums), 0);
  }

  void run(const float* x, int images, float* logits, const std::function<void(int)>& observer) {
    const auto reached = [&](std::size_t layer) {
      if (observer) observer(static_cast<int>(layer));
    };
    reached(0);
    const IntegerLayer& first = network_.layers.front();
    in_parallel(images * elements_in(first), 64, [&](std::int64_t i, std::int64_t n) {
      kernels_.from_float(n, x + i, first.input_ratio, first.input_low, first.input_high, first.input_zero,
                          in_.data() + i);
    });
    for (std::size_t i = 0; i + 1 < network_.layers.size(); ++i) {
      run_layer(i, images);
      reached(i + 1);
    }
    classify(images, logits);
    reached(network_.layers.size());
  }

 private:
  void run_layer(std::size_t index, int images) {
    const IntegerLayer& l = network_.layers[index];
    if (l.input_from_stream) {
      const std::int16_t* stream = streams_[index - 1].data();
      in_parallel(images * elements_in(l), 64, [&](std::int64_t i, std::int64_t n) {
        kernels_.from_stream(n, stream + i, l.input_ratio, l.input_low, l.input_high, l.input_zero,
                             in_.data() + i);
      });
    }
    const bool dense = l.kind == Kind::dense;
    if (dense) columns_[index].fill(images, in_.data(), unrolled_.data());
    products_[index].run(dense ? unrolled_.data() : in_.data(), sums_.data());

    const Table& t = tables_[index];
    const std::int64_t elements = images * elements_out(l);
    if (l.to_stream) {
      const std::int16_t* residual =
          l.residual_from < 0 ? nullptr : streams_[static_cast<std::size_t>(l.residual_from - 1)].data();
      in_parallel(elements, t.period, [&](std::int64_t i, std::int64_t n) {
        kernels_.to_stream(n, t.period, sums_.data() + i, l.shift, t.bias.data(), t.multiplier.data(), l.low,
                           l.high, residual ? residual + i : nullptr, streams_[index].data() + i);
      });
    } else {
      in_parallel(elements, t.period, [&](std::int64_t i, std::int64_t n) {
        kernels_.to_u8(n, t.period, sums_.data() + i, l.shift, t.bias.data(), t.multiplier.data(), l.low,
                       l.high, out_.data() + i);
      });
      std::swap(in_, out_);
    }
  }

  /// Average pool and linear layer.
  void classify(int images, float* logits) {
    const IntegerLayer& last = network_.layers.back();
    const std::size_t head = network_.layers.size() - 2;
    const std::int64_t rows = rows_out(network_.layers[head]);
    const Table& pool = tables_.back();
#pragma omp parallel for schedule(static) if (images > 1)
    for (int b = 0; b < images; ++b)
      kernels_.sum_rows(rows, last.cin, streams_[head].data() + b * rows * last.cin,
                        sums_.data() + b * last.cin);
    kernels_.to_u8(images * std::int64_t{last.cin}, pool.period, sums_.data(), 0, pool.bias.data(),
                   pool.multiplier.data(), last.input_low, last.input_high, out_.data());
    products_.back().run(out_.data(), sums_.data());
    for (int b = 0; b < images; ++b)
      for (int c = 0; c < last.cout; ++c) {
        const auto channel = static_cast<std::size_t>(c);
        const std::int32_t sum = sums_[static_cast<std::size_t>(b * last.cout + c)] << last.shift;
        logits[b * last.cout + c] = static_cast<float>(sum + last.bias[channel]) * last.multiplier[channel];
      }
  }

  const IntegerNetwork& network_;
  const std::vector<Table>& tables_;
  const RequantizeKernels& kernels_ = requantize_kernels();
  std::vector<IntegerProduct> products_;
  std::vector<Columns> columns_;
  std::vector<AlignedVector<std::int16_t>> streams_;  ///< output of each layer that has one
  AlignedVector<std::uint8_t> in_, out_, unrolled_;
  AlignedVector<std::int32_t> sums_;
};

}  // namespace

struct IntegerExecutor::Impl {
  IntegerNetwork network;
  std::optional<FusedNetwork> fused;          ///< instead of all below, where the CPU allows it
  std::vector<Table> tables;                  ///< requantization of each layer, and last the pooled input
  std::map<std::pair<int, int>, Plan> plans;  ///< by images and threads
  std::vector<float> logits;
  std::function<void(int)> observer;

  explicit Impl(const IntegerNetwork& n) : network(n) {
    network.validate();
    if (onednn::has_vnni() && FusedNetwork::supports(network)) {
      fused.emplace(network);
      return;
    }
    for (const IntegerLayer& l : network.layers) tables.emplace_back(l.bias, l.multiplier);
    const IntegerLayer& last = network.layers.back();
    const auto channels = static_cast<std::size_t>(last.cin);
    tables.emplace_back(std::vector<std::int32_t>(channels), std::vector<float>(channels, last.input_ratio));
  }

  int slice() const {
    std::int64_t bytes = 1;
    for (const IntegerLayer& l : network.layers) bytes = std::max(bytes, 4 * elements_out(l));
    return static_cast<int>(std::max<std::int64_t>(1, kSliceBytes * threads() / bytes));
  }

  /// Small batches round up to a power of two, so that few different plans exist.
  Plan& plan(int images) {
    const std::pair key{images, threads()};
    const auto found = plans.find(key);
    return found != plans.end() ? found->second
                                : plans.try_emplace(key, network, tables, images).first->second;
  }
};

IntegerExecutor::IntegerExecutor(const IntegerNetwork& network) : impl_(std::make_unique<Impl>(network)) {}
IntegerExecutor::~IntegerExecutor() = default;

void IntegerExecutor::set_observer(std::function<void(int)> observer) {
  impl_->observer = std::move(observer);
}

const float* IntegerExecutor::forward(const float* x, int batch) {
  Impl& self = *impl_;
  const std::int64_t image = elements_in(self.network.layers.front());
  const int classes = self.network.classes;
  self.logits.resize(static_cast<std::size_t>(batch) * static_cast<std::size_t>(classes));
  if (self.fused) {
    self.fused->run(x, batch, self.logits.data(), self.observer);
    return self.logits.data();
  }
  const int slice = self.slice();
  for (int done = 0; done < batch;) {
    const int images = std::min(slice, batch - done);
    const auto padded = static_cast<int>(std::bit_ceil(static_cast<unsigned>(images)));
    self.plan(std::min(slice, padded))
        .run(x + done * image, images, self.logits.data() + std::int64_t{done} * classes, self.observer);
    done += images;
  }
  return self.logits.data();
}

}  // namespace apq::nn
