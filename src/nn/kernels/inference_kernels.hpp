// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>

#include "nn/kernels/float_kernels.hpp"

namespace apq::nn::kernels {

/// What becomes of a layer's sums: clip(sum * scale + shift, low, high) + residual.
struct Finish {
  const float* scale = nullptr;  ///< per channel, as shift
  const float* shift = nullptr;
  float low = 0, high = 0;          ///< infinite: no clip
  const float* residual = nullptr;  ///< laid out as the result; null: none
};

/// Single-threaded float kernels of evaluation: a layer's sums are finished before they reach memory. The
/// bits are those of FloatKernels: sums in the order of depth and taps, then Finish.
struct InferenceKernels {
  /// c[rows][columns] = a[rows][depth] * right, packed by FloatKernels::pack. With `resume` the sums go on
  /// from those in c. `finish` null: c gets sums that another call resumes.
  void (*product)(int rows, int columns, int depth, const float* a, std::int64_t lda, const float* right,
                  float* c, std::int64_t ldc, bool resume, const Finish* finish);
  /// One row of a depthwise convolution with kernel 3, 5 or 7 and stride 1 or 2. Pixels of the input and of y
  /// are `channels` apart, a multiple of 16. rows[ky] begins kernel / 2 pixels, which are zero, before the
  /// image, as many follow it; null: outside. weights: [block][tap][16].
  void (*depthwise)(int kernel, int stride, int pixels, int channels, const float* const* rows,
                    const float* weights, const Finish& finish, float* y);
};

extern const InferenceKernels kInferenceGeneric;
extern const InferenceKernels kInferenceAvx2;
extern const InferenceKernels kInferenceAvx512;

/// The best set this CPU runs.
const InferenceKernels& inference_kernels();

}  // namespace apq::nn::kernels
