// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>

#include "nn/kernels/float_kernels.hpp"

namespace apq::nn::kernels {

/// Two bf16 numbers that are multiplied and summed together, the first in the lower half.
struct Pair {
  std::uint32_t bits;
};

/// Single-threaded products of floats that are rounded to bf16 (to nearest even, denormals to zero) and
/// summed in float, two at a time: AVX512_BF16. Odd counts are filled up with a zero.
struct PairKernels {
  /// Pairs of neighbouring numbers of a row: [row][(channels + 1) / 2].
  void (*round_rows)(int rows, int channels, const float* x, Pair* pairs);
  /// Pairs of numbers above one another: [(rows + 1) / 2][channels].
  void (*round_columns)(int rows, int channels, const float* x, Pair* pairs);
  /// b(k, n) = from[k * depth_stride + n * column_stride] in panels of `panel_columns`, each
  /// [(depth + 1) / 2][columns], filled up with zeros.
  void (*pack)(int depth, int columns, const float* from, std::int64_t depth_stride,
               std::int64_t column_stride, Pair* panels);
  /// As StoredKernels::product, with a depth in pairs.
  void (*product)(int rows, int columns, int depth, LeftOf<Pair> left, const Pair* right, std::int64_t ldb,
                  Bf16* c, std::int64_t ldc, bool add, Ahead& ahead);
  void (*product_to_floats)(int rows, int columns, int depth, LeftOf<Pair> left, const Pair* right,
                            std::int64_t ldb, float* c, std::int64_t ldc, bool add, Ahead& ahead);
};

extern const PairKernels kPairsAvx512Bf16;

/// Null where products of floats are as fast: `apq bench engine --mode bf16` on an AMD EPYC (Zen 4) does 1.2
/// to 1.4 times as many images with pairs, while an Intel Xeon with AVX512_BF16 has half as many products of
/// pairs a second as of floats.
const PairKernels* pair_kernels();

}  // namespace apq::nn::kernels
