// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <algorithm>
#include <cstdint>

#include "nn/kernels/float_kernels.hpp"
#include "nn/kernels/pair_kernels.hpp"

/// The products of a block of rows of a layer: with its weights, and of its input with its gradient. What
/// they make of the floats they are given is of one of these types.
namespace apq::nn {

/// They read a little past the end of a plain right-hand side.
inline constexpr std::int64_t kSlack = kernels::kLanes;

/// Of the floats themselves.
class FloatProducts {
 public:
  /// Floats that the calls below want for a block of rows and the two numbers of channels.
  static std::int64_t scratch(std::int64_t, int, int) { return 0; }

  static void pack(int depth, int columns, const float* w, std::int64_t depth_stride,
                   std::int64_t column_stride, float* packed) {
    kernels::float_kernels().pack(depth, columns, w, depth_stride, column_stride, packed);
  }
  /// c[rows][columns] = x[rows][depth] * packed.
  template <class T>
  static void with_weights(int rows, int columns, int depth, const float* x, const float* packed, T* c,
                           float*, kernels::Ahead& ahead) {
    kernels::stored_kernels<T>().product(rows, columns, depth, {x, depth, 1}, packed, 0, c, columns, false,
                                         ahead);
  }
  /// dw[depth][columns] += transposed x[rows][depth] * dz[rows][columns]; dz has kSlack floats after its end.
  static void add_to_gradient(int rows, int columns, int depth, const float* x, const float* dz, float* dw,
                              float*, kernels::Ahead& ahead) {
    kernels::float_kernels().product(depth, columns, rows, {x, 1, depth}, dz, columns, dw, columns, true,
                                     ahead);
  }
};

/// Of the floats rounded to bf16, for tensors that are stored so.
class PairProducts {
 public:
  explicit PairProducts(const kernels::PairKernels& kernels) : kernels_(kernels) {}

  static std::int64_t scratch(std::int64_t rows, int depth, int columns) {
    return std::max(rows * half(std::max(depth, columns)), (rows + 1) / 2 * (depth + columns) + kSlack);
  }

  void pack(int depth, int columns, const float* w, std::int64_t depth_stride, std::int64_t column_stride,
            float* packed) const {
    kernels_.pack(depth, columns, w, depth_stride, column_stride, pairs(packed));
  }
  void with_weights(int rows, int columns, int depth, const float* x, const float* packed, Bf16* c,
                    float* scratch, kernels::Ahead& ahead) const {
    kernels_.round_rows(rows, depth, x, pairs(scratch));
    kernels_.product(rows, columns, half(depth), {pairs(scratch), half(depth), 1}, pairs(packed), 0, c,
                     columns, false, ahead);
  }
  void add_to_gradient(int rows, int columns, int depth, const float* x, const float* dz, float* dw,
                       float* scratch, kernels::Ahead& ahead) const {
    kernels::Pair *left = pairs(scratch), *right = left + half(rows) * std::int64_t{depth};
    kernels_.round_columns(rows, depth, x, left);
    kernels_.round_columns(rows, columns, dz, right);
    kernels_.product_to_floats(depth, columns, half(rows), {left, 1, depth}, right, columns, dw, columns,
                               true, ahead);
  }

 private:
  static int half(int n) { return (n + 1) / 2; }
  static kernels::Pair* pairs(float* memory) { return reinterpret_cast<kernels::Pair*>(memory); }
  static const kernels::Pair* pairs(const float* memory) {
    return reinterpret_cast<const kernels::Pair*>(memory);
  }

  const kernels::PairKernels& kernels_;
};

}  // namespace apq::nn
