// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/passes.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "apq/core/error.hpp"
#include "nn/kernels/float_kernels.hpp"
#include "nn/parallel.hpp"
#include "nn/products.hpp"

namespace apq::nn {

using kernels::Ahead;
using kernels::Depthwise;
using kernels::float_kernels;
using kernels::kLanes;
using kernels::stored_kernels;

namespace {

/// Rows of a block, so that its input and output stay in a core's caches.
std::int64_t block_rows(int cin, int cout) {
  constexpr std::int64_t kFloats = 1 << 15;
  return std::clamp<std::int64_t>(kFloats / (cin + cout) / 24 * 24, 24, 480);
}

/// Calls body(this block, the next one or an empty one) for consecutive blocks of a range.
template <class Body>
void for_blocks(Range range, std::int64_t size, Body body) {
  const auto block = [&](std::int64_t first) { return Range{first, std::min(first + size, range.end)}; };
  for (std::int64_t first = range.begin; first < range.end; first += size)
    body(block(first), block(std::min(first + size, range.end)));
}

/// Rows of a tensor will be read.
template <class T>
void add_rows(Ahead& ahead, const T* tensor, Range rows, int channels) {
  if (tensor)
    ahead.add(tensor + rows.begin * channels,
              (rows.end - rows.begin) * channels * static_cast<std::int64_t>(sizeof(T)));
}

/// The activated input as floats: made in y, or z itself where it is that already.
template <class T>
const float* activate(const Activation& a, std::int64_t rows, int channels, const T* z, float* y) {
  if constexpr (std::is_same_v<T, float>)
    if (!a.shift) return z;
  stored_kernels<T>().activate(rows, channels, z, a.scale, a.shift, a.high, a.step, y);
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
    stored_kernels<T>().moments(rows, channels_, z, p.shift.data(), p.sum.data(), p.square.data());
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
      stored_kernels<T>().normalise_backward(count, channels_, g_.z + at, g_.dy + at, g_.mean,
                                             g_.activation.scale, g_.activation.shift, g_.activation.high,
                                             g_.a, g_.b, dz);
      return dz;
    }
    if (!g_.activation.shift) return activate({}, count, channels_, g_.dy + at, dz);
    clipped_[static_cast<std::size_t>(part)] += stored_kernels<T>().activate_backward(
        count, channels_, g_.z + at, g_.activation.scale, g_.activation.shift, g_.activation.high, g_.dy + at,
        dz, sums_.first(part));
    return dz;
  }

  void add_to(Ahead& ahead, Range rows) const {
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
    stored_kernels<T>().normalise_backward_sums(rows, channels_, in_.z + first * channels_, dx, wanted_.mean,
                                                wanted_.inv_std, in_.activation.scale, in_.activation.shift,
                                                in_.activation.high, sums_.first(part), sums_.second(part));
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

/// Rows of the product a layer is: the activated input itself, or the taps of a dense layer's image.
template <class T>
class ProductRows {
 public:
  ProductRows(Kind kind, const ConvShape& s, const InputOf<T>& in)
      : dense_(kind == Kind::dense), s_(s), in_(in) {}

  int depth() const { return dense_ ? s_.kernel * s_.kernel * s_.cin : s_.cin; }

  const float* get(std::int64_t first, std::int64_t count, float* scratch) const {
    if (!dense_) return activate(in_.activation, count, s_.cin, in_.z + first * s_.cin, scratch);
    for (std::int64_t r = first; r < first + count; ++r, scratch += depth()) columns(r, scratch);
    return scratch - count * depth();
  }

  void add_to(Ahead& ahead, Range rows) const {
    if (!dense_) add_rows(ahead, in_.z, rows, s_.cin);
  }

 private:
  void columns(std::int64_t row, float* to) const {
    const int out = s_.size_out(), width = s_.kernel * s_.cin;
    const std::int64_t image = row / (std::int64_t{out} * out), pixel = row % (std::int64_t{out} * out);
    const int top = static_cast<int>(pixel / out) * s_.stride - s_.kernel / 2;
    const int left = static_cast<int>(pixel % out) * s_.stride - s_.kernel / 2;
    const int begin = std::max(0, -left) * s_.cin, end = std::min(s_.kernel, s_.size - left) * s_.cin;
    for (int y = top; y < top + s_.kernel; ++y, to += width) {
      if (y < 0 || y >= s_.size) {
        std::fill_n(to, width, 0.0f);
        continue;
      }
      const T* from = in_.z + ((image * s_.size + y) * s_.size + left) * s_.cin;
      std::fill_n(to, begin, 0.0f);
      std::transform(from + begin, from + end, to + begin, [](T v) { return to_float(v); });
      std::fill(to + end, to + width, 0.0f);
    }
  }

  bool dense_;
  ConvShape s_;
  InputOf<T> in_;
};

std::size_t packed_size(int depth, int columns) {
  return static_cast<std::size_t>(depth) * static_cast<std::size_t>(columns + kLanes);
}

/// Memory for a weight in the layout the kernels want; layers of one thread take turns.
float* weight_memory(std::size_t n) {
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
    float_kernels().add(static_cast<std::int64_t>(size), all + p * size, total);
}

template <class T, class Products>
void product_forward(const Products& products, Kind kind, const ConvShape& s, const InputOf<T>& in,
                     const float* w, int ld, T* z, const Statistics& statistics, PackedWeights* kept) {
  const ProductRows input(kind, s, in);
  const int depth = input.depth(), cout = s.cout;
  const float* packed = packed_weight(packed_size(depth, cout), kept,
                                      [&](float* to) { products.pack(depth, cout, w, ld, 1, to); });
  Moments moments(cout, statistics);
  const std::int64_t block = block_rows(depth, cout);
  parallel(s.rows_out(), block * depth + products.scratch(block, depth, cout),
           [&](int part, Range range, float* scratch) {
             for_blocks(range, block, [&](Range now, Range next) {
               const std::int64_t rows = now.end - now.begin;
               T* to = z + now.begin * cout;
               Ahead ahead;
               input.add_to(ahead, next);
               products.with_weights(static_cast<int>(rows), cout, depth, input.get(now.begin, rows, scratch),
                                     packed, to, scratch + block * depth, ahead);
               moments.add(part, rows, to);
             });
           });
  moments.finish();
}

template <class T, class Products>
void product_backward(const Products& products, Kind kind, const ConvShape& s, const InputOf<T>& in,
                      const float* w, int ld, const OutputGradientOf<T>& gradient, float* dw, int dw_ld,
                      T* dx, const InputSums& sums) {
  const ProductRows input(kind, s, in);
  const int depth = input.depth(), cout = s.cout;
  float* packed = nullptr;
  if (dx) {
    packed = weight_memory(packed_size(cout, depth));
    products.pack(cout, depth, w, 1, ld, packed);
  }
  GradientBlocks gradients(cout, gradient);
  InputSumBlocks input_sums(s.cin, in, sums);
  const std::int64_t block = block_rows(depth, cout);
  const std::int64_t floats = block * (depth + cout) + kSlack;
  const std::size_t weights = dw ? static_cast<std::size_t>(depth) * static_cast<std::size_t>(cout) : 0;
  std::vector<float> total(weights);
  sum_parts(
      s.rows_out(), weights,
      [&](float* partial) {
        parallel(s.rows_out(), floats + products.scratch(block, depth, cout),
                 [&](int part, Range range, float* scratch) {
                   float* to = partial + static_cast<std::size_t>(part) * weights;
                   for_blocks(range, block, [&](Range now, Range next) {
                     const std::int64_t first = now.begin, rows = now.end - now.begin;
                     Ahead ahead;
                     gradients.add_to(ahead, next);
                     input.add_to(ahead, next);
                     const float* dz = gradients.rows(part, first, rows, scratch);
                     // The product reads past the end of dz: of the whole tensor, where it is not our copy.
                     if (dw && dz != scratch) dz = std::copy_n(dz, rows * cout, scratch) - rows * cout;
                     if (dw)
                       products.add_to_gradient(static_cast<int>(rows), cout, depth,
                                                input.get(first, rows, scratch + block * cout + kSlack), dz,
                                                to, scratch + floats, ahead);
                     if (!dx) return;
                     T* at = dx + first * depth;
                     products.with_weights(static_cast<int>(rows), depth, cout, dz, packed, at,
                                           scratch + floats, ahead);
                     input_sums.add(part, first, rows, at);
                   });
                 });
      },
      total.data());
  for (int k = 0; dw && k < depth; ++k)
    float_kernels().add(cout, total.data() + static_cast<std::ptrdiff_t>(k) * cout,
                        dw + std::int64_t{k} * dw_ld);
  gradients.finish();
  input_sums.finish();
}

/// Calls run(products) with the fastest for such a layer. What is stored in bf16 may be multiplied so in all
/// layers but the first and the last, which are small.
template <class T, class Run>
void with_products(Kind kind, Run run) {
  if constexpr (std::is_same_v<T, Bf16>)
    if (const auto* kernels = kernels::pair_kernels(); kernels && kind == Kind::pointwise) {
      run(PairProducts(*kernels));
      return;
    }
  run(FloatProducts());
}

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

}  // namespace

template <class T>
void convolve(Kind kind, const ConvShape& s, const InputOf<T>& in, const float* w, int ld, T* z,
              const Statistics& statistics, PackedWeights* kept) {
  APQ_ASSERT(kind == Kind::dense || kind == Kind::depthwise || s.stride == 1);
  if (kind == Kind::depthwise)
    depthwise_pass(s, in, w, ld, z, statistics, kept);
  else
    with_products<T>(kind, [&](const auto& products) {
      product_forward(products, kind, s, in, w, ld, z, statistics, kept);
    });
}

template <class T>
void convolve_backward(Kind kind, const ConvShape& s, const InputOf<T>& in, const float* w, int ld,
                       const OutputGradientOf<T>& gradient, float* dw, int dw_ld, std::type_identity_t<T>* dx,
                       const InputSums& sums) {
  APQ_ASSERT(kind != Kind::dense || dx == nullptr);
  if (kind == Kind::depthwise)
    depthwise_pass_backward(s, in, w, ld, gradient, dw, dw_ld, dx, sums);
  else
    with_products<T>(kind, [&](const auto& products) {
      product_backward(products, kind, s, in, w, ld, gradient, dw, dw_ld, dx, sums);
    });
}

template void convolve(Kind, const ConvShape&, const InputOf<float>&, const float*, int, float*,
                       const Statistics&, PackedWeights*);
template void convolve_backward(Kind, const ConvShape&, const InputOf<float>&, const float*, int,
                                const OutputGradientOf<float>&, float*, int, float*, const InputSums&);
template void convolve(Kind, const ConvShape&, const InputOf<Bf16>&, const float*, int, Bf16*,
                       const Statistics&, PackedWeights*);
template void convolve_backward(Kind, const ConvShape&, const InputOf<Bf16>&, const float*, int,
                                const OutputGradientOf<Bf16>&, float*, int, Bf16*, const InputSums&);

}  // namespace apq::nn
