// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>

namespace apq::nn::kernels {

/// Padded-image geometry of one depthwise convolution.
struct Depthwise {
  int size, size_out, channels, kernel, stride;
};

/// Single-threaded float kernels, compiled once per instruction set. Depthwise kernels work on units of one
/// image and one block of 16 channels, units begin..end of batch * ceil(channels / 16), image-major.
/// `scratch` holds depthwise_scratch(d) floats.
struct FloatKernels {
  const char* isa;
  void (*depthwise_forward)(const Depthwise&, std::int64_t begin, std::int64_t end, const float* x,
                            const float* w, int ld, float* y, float* scratch);
  void (*depthwise_backward_data)(const Depthwise&, std::int64_t begin, std::int64_t end, const float* dy,
                                  const float* w, int ld, float* dx, float* scratch);
  /// All images of channel blocks begin..end; adds to dw.
  void (*depthwise_backward_weights)(const Depthwise&, int batch, int begin, int end, const float* x,
                                     const float* dy, float* dw, int ld, float* scratch);
  /// Adds sums over rows of (z - shift) and (z - shift)^2.
  void (*moments)(std::int64_t rows, int channels, const float* z, const float* shift, double* sum,
                  double* square, float* scratch);
  void (*affine_activate)(std::int64_t rows, int channels, const float* z, const float* scale,
                          const float* shift, float high, float step, const float* residual, float* y);
  double (*activate_backward)(std::int64_t rows, int channels, const float* z, const float* scale,
                              const float* shift, float high, const float* dy, float* dz, double* dshift,
                              float* scratch);
  void (*normalise_backward_sums)(std::int64_t rows, int channels, const float* z, const float* dy,
                                  const float* mean, const float* inv_std, const float* scale,
                                  const float* shift, float high, double* sum, double* sum_xhat,
                                  float* scratch);
  /// dz = scale * g - a - (z - mean) * b, with a and b per channel.
  void (*normalise_backward)(std::int64_t rows, int channels, const float* z, const float* dy,
                             const float* mean, const float* scale, const float* shift, float high,
                             const float* a, const float* b, float* dz);
  void (*fake_quantize)(std::int64_t n, const float* x, float alpha, float step, bool is_signed, float* y);
  double (*fake_quantize_backward)(std::int64_t n, const float* x, float alpha, bool is_signed,
                                   const float* dy, float* dx);
  void (*add)(std::int64_t n, const float* x, float* y);
};

inline std::int64_t depthwise_scratch(const Depthwise& d) {
  const std::int64_t padded = (d.size > d.size_out * d.stride ? d.size : d.size_out * d.stride) + d.kernel;
  return (padded * padded + std::int64_t{d.size_out} * d.size_out + 2 * d.kernel * d.kernel) * 16;
}
/// Floats of scratch for the row-wise kernels.
inline std::int64_t row_scratch(int channels) { return 2 * std::int64_t{channels}; }

extern const FloatKernels kFloatGeneric;
extern const FloatKernels kFloatAvx2;
extern const FloatKernels kFloatAvx512;

/// The best set this CPU runs.
const FloatKernels& float_kernels();

}  // namespace apq::nn::kernels
