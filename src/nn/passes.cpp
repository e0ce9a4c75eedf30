// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/passes.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "apq/core/error.hpp"
#include "nn/depthwise_pass.hpp"
#include "nn/pass_blocks.hpp"
#include "nn/products.hpp"

namespace apq::nn {

using kernels::Ahead;
using kernels::float_kernels;
using kernels::kLanes;

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
