// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "nn/kernels/float_kernels.hpp"
#include "nn/parallel.hpp"
#include "nn/passes.hpp"

/// What the passes over a layer do to a block of rows while it is in cache, before and after its convolution.
namespace apq::nn {

/// Rows of a tensor will be read.
template <class T>
void add_rows(kernels::Ahead& ahead, const T* tensor, Range rows, int channels) {
  if (tensor)
    ahead.add(tensor + rows.begin * channels,
              (rows.end - rows.begin) * channels * static_cast<std::int64_t>(sizeof(T)));
}

/// The activated input as floats: made in y, or z itself where it is that already.
template <class T>
const float* activate(const Activation& a, std::int64_t rows, int channels, const T* z, float* y) {
  if constexpr (std::is_same_v<T, float>)
    if (!a.shift) return z;
  kernels::stored_kernels<T>().activate(rows, channels, z, a.scale, a.shift, a.high, a.step, y);
  return y;
}

/// Mean and variance from sums that every part makes around its own first row, block by block.
class Moments {
 public:
  Moments(int channels, const Statistics& wanted)
      : channels_(channels), wanted_(wanted), parts_(wanted.mean ? static_cast<std::size_t>(threads()) : 0) {}

  template <class T>
  void add(int part, std::int64_t rows, const T* z) {
    if (!wanted_.mean) return;
    Part& p = parts_[static_cast<std::size_t>(part)];
    if (p.rows == 0) {
      for (int c = 0; c < channels_; ++c) p.shift.push_back(to_float(z[c]));
      p.sum.assign(p.shift.size(), 0);
      p.square.assign(p.shift.size(), 0);
    }
    p.rows += rows;
    kernels::stored_kernels<T>().moments(rows, channels_, z, p.shift.data(), p.sum.data(), p.square.data());
  }

  void finish() const {
    for (std::size_t c = 0; c < (wanted_.mean ? static_cast<std::size_t>(channels_) : 0); ++c) {
      double rows = 0, mean = 0, spread = 0;  // of the parts so far; spread: sum of squared distances
      for (const Part& p : parts_) {
        if (p.rows == 0) continue;
        const double n = static_cast<double>(p.rows), shifted = p.sum[c] / n;
        const double part_mean = static_cast<double>(p.shift[c]) + shifted, distance = part_mean - mean;
        spread +=
            std::max(p.square[c] - n * shifted * shifted, 0.0) + distance * distance * rows * n / (rows + n);
        mean += distance * n / (rows + n);
        rows += n;
      }
      wanted_.mean[c] = static_cast<float>(mean);
      wanted_.variance[c] = static_cast<float>(spread / rows);
    }
  }

 private:
  struct Part {
    std::int64_t rows = 0;
    std::vector<float> shift;
    std::vector<double> sum, square;
  };
  int channels_;
  Statistics wanted_;
  std::vector<Part> parts_;
};

/// Makes blocks of dz where the backward pass reads them.
template <class T>
class GradientBlocks {
 public:
  GradientBlocks(int channels, const OutputGradientOf<T>& g)
      : channels_(channels), g_(g), sums_(channels), clipped_(static_cast<std::size_t>(threads()), 0.0) {}

  const float* rows(int part, std::int64_t first, std::int64_t count, float* dz) {
    const std::int64_t at = first * channels_;
    if (g_.mean) {
      kernels::stored_kernels<T>().normalise_backward(count, channels_, g_.z + at, g_.dy + at, g_.mean,
                                                      g_.activation.scale, g_.activation.shift,
                                                      g_.activation.high, g_.a, g_.b, dz);
      return dz;
    }
    if (!g_.activation.shift) return activate({}, count, channels_, g_.dy + at, dz);
    clipped_[static_cast<std::size_t>(part)] += kernels::stored_kernels<T>().activate_backward(
        count, channels_, g_.z + at, g_.activation.scale, g_.activation.shift, g_.activation.high, g_.dy + at,
        dz, sums_.first(part));
    return dz;
  }

  void add_to(kernels::Ahead& ahead, Range rows) const {
    add_rows(ahead, g_.dy, rows, channels_);
    add_rows(ahead, g_.z, rows, channels_);
  }

  void finish() {
    sums_.reduce();
    if (g_.dshift)
      for (int c = 0; c < channels_; ++c) g_.dshift[c] += static_cast<float>(sums_.first(0)[c]);
    if (g_.clipped)
      for (const double v : clipped_) *g_.clipped += v;
  }

 private:
  int channels_;
  OutputGradientOf<T> g_;
  ChannelSums sums_;
  std::vector<double> clipped_;
};

/// The sums of dx that the layer before needs, while dx is in cache.
template <class T>
class InputSumBlocks {
 public:
  InputSumBlocks(int channels, const InputOf<T>& in, const InputSums& wanted)
      : channels_(channels), in_(in), wanted_(wanted), sums_(wanted.mean ? channels : 0) {}

  void add(int part, std::int64_t first, std::int64_t rows, const T* dx) {
    if (!wanted_.mean) return;
    kernels::stored_kernels<T>().normalise_backward_sums(
        rows, channels_, in_.z + first * channels_, dx, wanted_.mean, wanted_.inv_std, in_.activation.scale,
        in_.activation.shift, in_.activation.high, sums_.first(part), sums_.second(part));
  }

  void finish() {
    if (!wanted_.mean) return;
    sums_.reduce();
    std::copy_n(sums_.first(0), channels_, wanted_.sum);
    std::copy_n(sums_.second(0), channels_, wanted_.sum_xhat);
  }

 private:
  int channels_;
  InputOf<T> in_;
  InputSums wanted_;
  ChannelSums sums_;
};

/// Memory for a weight in the layout the kernels want; layers of one thread take turns.
inline float* weight_memory(std::size_t n) {
  static thread_local Scratch<float> memory;
  return memory.get(n);
}

/// `n` floats that `pack` fills, unless they are there already.
template <class Pack>
const float* packed_weight(std::size_t n, PackedWeights* kept, Pack pack) {
  if (kept && kept->ready) return kept->memory.data();
  float* memory = kept ? kept->memory.get(n) : weight_memory(n);
  pack(memory);
  if (kept) kept->ready = true;
  return memory;
}

/// Parts of a weight's gradient, added up in the order of the parts.
template <class Work>
void sum_parts(std::int64_t n, std::size_t size, Work work, float* total) {
  static thread_local Scratch<float> memory;
  const auto parts = static_cast<std::size_t>(std::min<std::int64_t>(threads(), n));
  float* all = memory.get(size * parts);
  std::fill_n(all, size * parts, 0.0f);
  work(all);
  std::copy_n(all, size, total);
  for (std::size_t p = 1; p < parts; ++p)
    kernels::float_kernels().add(static_cast<std::int64_t>(size), all + p * size, total);
}

}  // namespace apq::nn
