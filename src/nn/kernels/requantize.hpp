// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>

namespace apq::nn {

/// Elementwise kernels between integer layers. All round(v) are to nearest even of one correctly rounded
/// float product, so that every set below gives the same bits. `bias` and `multiplier` repeat with `period`,
/// a multiple of the channels; |low|, |high| <= 32768.
struct RequantizeKernels {
  const char* isa;
  /// out = clamp(round(float(acc * 2^shift + bias) * multiplier), low, high)
  void (*to_u8)(std::int64_t n, std::int64_t period, const std::int32_t* acc, int shift,
                const std::int32_t* bias, const float* multiplier, std::int32_t low, std::int32_t high,
                std::uint8_t* out);
  /// The same plus `residual` (null: none), saturating; out may be residual.
  void (*to_stream)(std::int64_t n, std::int64_t period, const std::int32_t* acc, int shift,
                    const std::int32_t* bias, const float* multiplier, std::int32_t low, std::int32_t high,
                    const std::int16_t* residual, std::int16_t* out);
  /// out = clamp(round(in * ratio), low, high) + zero
  void (*from_stream)(std::int64_t n, const std::int16_t* in, float ratio, std::int32_t low,
                      std::int32_t high, std::int32_t zero, std::uint8_t* out);
  void (*from_float)(std::int64_t n, const float* in, float ratio, std::int32_t low, std::int32_t high,
                     std::int32_t zero, std::uint8_t* out);
  /// out[channels] = sums of the rows of `in`
  void (*sum_rows)(std::int64_t rows, std::int64_t channels, const std::int16_t* in, std::int32_t* out);
  /// out += in
  void (*accumulate)(std::int64_t n, const std::int32_t* in, std::int32_t* out);
};

extern const RequantizeKernels kRequantizeGeneric, kRequantizeAvx2, kRequantizeAvx512;

/// The best set this CPU runs.
const RequantizeKernels& requantize_kernels();

}  // namespace apq::nn
