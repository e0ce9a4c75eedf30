// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/depthwise_pass.hpp"

#include <algorithm>
#include <vector>

#include "nn/pass_blocks.hpp"

namespace apq::nn {

using kernels::Ahead;
using kernels::Depthwise;
using kernels::float_kernels;
using kernels::kLanes;
using kernels::stored_kernels;

namespace {

Depthwise geometry(const ConvShape& s) { return {s.size, s.size_out(), s.cin, s.kernel, s.stride}; }

/// Rows of a tensor that are one image.
Range pixels_of(std::int64_t image, int size) {
  const std::int64_t pixels = std::int64_t{size} * size;
  return {image * pixels, (image + 1) * pixels};
}

/// Weights [tap][ld] to [block][tap][16], taps turned around for the gradient of the data.
void weight_blocks(const Depthwise& d, const float* w, int ld, bool turned, float* to) {
  for (int first = 0; first < d.channels; first += kLanes)
    for (int t = 0; t < d.taps(); ++t, to += kLanes) {
      const int used = std::min(kLanes, d.channels - first);
      std::fill(std::copy_n(w + (turned ? d.taps() - 1 - t : t) * std::int64_t{ld} + first, used, to),
                to + kLanes, 0.0f);
    }
}

/// Where pixel (row, 0) of an image stands in its padded square, pixels `step` apart.
float* row_in_blocks(const Depthwise& d, int row, int step, float* blocks) {
  const int half = d.kernel / 2;
  return blocks + ((half + std::int64_t{row} * step) * d.padded() + half) * kLanes;
}

/// Zeros around the image of every block.
void clear_borders(const Depthwise& d, float* blocks) {
  const std::int64_t row = std::int64_t{d.padded()} * kLanes, left = std::int64_t{d.kernel / 2} * kLanes;
  const std::int64_t right = row - left - std::int64_t{d.size} * kLanes;
  for (int b = 0; b < d.blocks(); ++b, blocks += d.block())
    for (int y = 0; y < d.padded(); ++y) {
      const bool inside = y >= d.kernel / 2 && y < d.kernel / 2 + d.size;
      std::fill_n(blocks + y * row, inside ? left : row, 0.0f);
      if (inside) std::fill_n(blocks + (y + 1) * row - right, right, 0.0f);
    }
}

/// The activated image in blocks; `line` holds one row of pixels.
template <class T>
void image_blocks(const Depthwise& d, const InputOf<T>& in, std::int64_t image, float* line, float* blocks) {
  for (int y = 0; y < d.size; ++y) {
    const T* z = in.z + (image * d.size + y) * d.size * d.channels;
    float_kernels().to_blocks(d, d.size, activate(in.activation, d.size, d.channels, z, line), 1,
                              row_in_blocks(d, y, 1, blocks));
  }
}

}  // namespace

template <class T>
void depthwise_pass(const ConvShape& s, const InputOf<T>& in, const float* w, int ld, T* z,
                    const Statistics& statistics, PackedWeights* kept) {
  const Depthwise d = geometry(s);
  const std::int64_t squares = d.blocks() * d.block(), line = std::int64_t{d.size} * d.channels;
  const float* weights = packed_weight(static_cast<std::size_t>(d.blocks()) * d.taps() * kLanes, kept,
                                       [&](float* to) { weight_blocks(d, w, ld, false, to); });
  Moments moments(s.cin, statistics);
  const std::int64_t pixels = std::int64_t{d.size_out} * d.size_out;
  parallel(s.batch, squares + line, [&](int part, Range images, float* blocks) {
    clear_borders(d, blocks);
    for (std::int64_t n = images.begin; n < images.end; ++n) {
      image_blocks(d, in, n, blocks + squares, blocks);
      T* to = z + n * pixels * d.channels;
      Ahead ahead;
      if (n + 1 < images.end) add_rows(ahead, in.z, pixels_of(n + 1, d.size), d.channels);
      stored_kernels<T>().correlate(d, d.stride, d.size_out, blocks, weights, to, ahead);
      moments.add(part, pixels, to);
    }
  });
  moments.finish();
}

template <class T>
void depthwise_pass_backward(const ConvShape& s, const InputOf<T>& in, const float* w, int ld,
                             const OutputGradientOf<T>& gradient, float* dw, int dw_ld, T* dx,
                             const InputSums& sums) {
  const Depthwise d = geometry(s);
  const std::int64_t squares = d.blocks() * d.block();
  const std::int64_t line = std::int64_t{std::max(d.size, d.size_out)} * d.channels;
  const std::size_t weights = static_cast<std::size_t>(d.blocks()) * d.taps() * kLanes;
  float* turned = weight_memory(weights);
  if (dx) weight_blocks(d, w, ld, true, turned);
  GradientBlocks gradients(s.cin, gradient);
  InputSumBlocks input_sums(s.cin, in, sums);
  std::vector<float> total(weights);
  sum_parts(
      s.batch, weights,
      [&](float* partial) {
        parallel(s.batch, 2 * squares + line, [&](int part, Range images, float* scratch) {
          float *dz = scratch, *blocks = scratch + squares, *row = blocks + squares;
          std::fill_n(scratch, 2 * squares, 0.0f);
          for (std::int64_t n = images.begin; n < images.end; ++n) {
            for (int y = 0; y < d.size_out; ++y)
              float_kernels().to_blocks(
                  d, d.size_out, gradients.rows(part, (n * d.size_out + y) * d.size_out, d.size_out, row),
                  d.stride, row_in_blocks(d, y, d.stride, dz));
            Ahead ahead;
            if (n + 1 < images.end) {
              gradients.add_to(ahead, pixels_of(n + 1, d.size_out));
              add_rows(ahead, in.z, pixels_of(n + 1, d.size), d.channels);
            }
            if (dw) {
              image_blocks(d, in, n, row, blocks);
              float_kernels().accumulate_taps(d, blocks, dz,
                                              partial + static_cast<std::size_t>(part) * weights, ahead);
            }
            if (!dx) continue;
            const std::int64_t first = n * d.size * d.size;
            stored_kernels<T>().correlate(d, 1, d.size, dz, turned, dx + first * d.channels, ahead);
            input_sums.add(part, first, std::int64_t{d.size} * d.size, dx + first * d.channels);
          }
        });
      },
      total.data());
  for (int t = 0; dw && t < d.taps(); ++t)
    for (int c = 0; c < d.channels; ++c)
      dw[std::int64_t{t} * dw_ld + c] +=
          total[static_cast<std::size_t>((c / kLanes * d.taps() + t) * kLanes + c % kLanes)];
  gradients.finish();
  input_sums.finish();
}

template void depthwise_pass(const ConvShape&, const InputOf<float>&, const float*, int, float*,
                             const Statistics&, PackedWeights*);
template void depthwise_pass_backward(const ConvShape&, const InputOf<float>&, const float*, int,
                                      const OutputGradientOf<float>&, float*, int, float*, const InputSums&);
template void depthwise_pass(const ConvShape&, const InputOf<Bf16>&, const float*, int, Bf16*,
                             const Statistics&, PackedWeights*);
template void depthwise_pass_backward(const ConvShape&, const InputOf<Bf16>&, const float*, int,
                                      const OutputGradientOf<Bf16>&, float*, int, Bf16*, const InputSums&);

}  // namespace apq::nn
