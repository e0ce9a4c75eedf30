// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>

namespace apq::nn::kernels {

/// Widths of the kernels below are multiples of this; columns of packed weights come in panels of twice that.
inline constexpr int kMlpLanes = 16;
inline constexpr int kMlpPanel = 2 * kMlpLanes;

/// Single-threaded kernels of a perceptron, compiled once per instruction set. Rows have `width` floats. What
/// becomes of a row never depends on the rows beside it.
struct MlpKernels {
  /// y[r] = relu(bias + sum of the table rows that input begin + r picks)
  void (*sum_rows)(std::int64_t begin, std::int64_t end, const std::int32_t* picks, const std::int64_t* ends,
                   const float* table, const float* bias, int width, float* y);
  /// y = relu(x w + bias); w packed: [panel][width][kMlpPanel], the last panel filled up with zeros
  void (*dense_relu)(std::int64_t rows, int width, const float* x, const float* packed, const float* bias,
                     float* y);
  /// y = relu(acc * scale + bias), scale and bias per column
  void (*rescale_relu)(std::int64_t rows, int width, const std::int32_t* acc, const float* scale,
                       const float* bias, float* y);
  void (*bias_relu)(std::int64_t rows, int width, const float* acc, const float* bias, float* y);
  /// y = round(x * ratio), at most 255; x >= 0
  void (*to_u8)(std::int64_t n, const float* x, float ratio, std::uint8_t* y);
  /// y[r] = x[r] . w + bias
  void (*dot)(std::int64_t rows, int width, const float* x, const float* w, float bias, float* y);
};

extern const MlpKernels kMlpGeneric, kMlpAvx2, kMlpAvx512;

/// The best set this CPU runs.
const MlpKernels& mlp_kernels();

}  // namespace apq::nn::kernels
