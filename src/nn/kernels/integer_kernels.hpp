// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>

#include "nn/kernels/float_kernels.hpp"

namespace apq::nn::kernels {

/// Bytes after the end of every input that a kernel may read, and rows after the last.
inline constexpr int kReadAhead = 64, kReadAheadRows = 3;

/// Channels of a block of the 8-bit depthwise kernel. A block is four vectors in the order that packing
/// instructions undo: vector j holds of every 16 channels the four from 4 j.
inline constexpr int kByteBlock = 64;
/// Channel of its block that stands in `lane` of the four vectors.
[[gnu::always_inline]] constexpr int channel_of_lane(int lane) {
  return lane % kLanes / 4 * kLanes + lane / kLanes * 4 + lane % 4;
}

/// What becomes of the 32-bit sums of a layer, as IntegerLayer says. `bias` and `multiplier` are readable to
/// the end of the last vector. Outputs are [row][channels].
struct Requantization {
  enum class Output { bytes, stream, logits } output = Output::bytes;
  int channels = 0, shift = 0;
  const std::int32_t* bias = nullptr;
  const float* multiplier = nullptr;
  float low = 0, high = 255;

  std::uint8_t* bytes = nullptr;
  std::int16_t* stream = nullptr;          ///< null: nobody reads it
  const std::int16_t* residual = nullptr;  ///< null: none; may be stream
  /// The next layer's 8-bit input from the stream; null: none.
  std::uint8_t* next = nullptr;
  float next_ratio = 1, next_low = 0, next_high = 255;
  std::int32_t next_zero = 0;
  float* logits = nullptr;
};

/// Single-threaded kernels of whole integer layers: sums never reach memory.
struct IntegerKernels {
  /// Rows `first` to `first + rows` of the output: x[rows][ldx], of which `depth` are read in fours, times
  /// weights packed as [panel][depth / 4][columns][4], panels of `panel_columns(_, 3)` columns.
  void (*product)(std::int64_t first, std::int64_t rows, int depth, const std::uint8_t* x, std::int64_t ldx,
                  const std::int8_t* weights, const Requantization&);
  /// Line `line` of a depthwise convolution of one image with zero padding, to the rows from `first`; to
  /// bytes only. Weights, bias and multiplier are in blocks of kByteBlock: [block][kernel column][four
  /// kernel rows][lane][4]. `scratch`: line_scratch bytes, aligned.
  void (*depthwise)(const Depthwise&, int line, std::int64_t first, const std::uint8_t* image,
                    const std::int8_t* weights, std::uint8_t* scratch, const Requantization&);
};

[[gnu::always_inline]] inline int row_groups(int kernel) { return (kernel + 3) / 4; }
[[gnu::always_inline]] inline std::int64_t line_scratch(const Depthwise& d) {
  return std::int64_t{d.padded()} * row_groups(d.kernel) * kByteBlock * 4;
}

extern const IntegerKernels kIntegerAvx512Vnni;

/// Null where this CPU, or APQ_MAX_ISA, does not allow them.
const IntegerKernels* integer_kernels();

}  // namespace apq::nn::kernels
