// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>

#include "apq/nn/bf16.hpp"

namespace apq::nn::kernels {

inline constexpr int kLanes = 16;  ///< channels of a block

/// Geometry of one depthwise convolution. Its kernels work on one image in blocks: for every 16 channels a
/// padded square of `padded` x `padded` pixels with zero borders, [block][y][x][16].
struct Depthwise {
  int size, size_out, channels, kernel, stride;

  // Always inlined: no copy compiled for one instruction set may be linked into another's code.
  [[gnu::always_inline]] int blocks() const { return (channels + kLanes - 1) / kLanes; }
  [[gnu::always_inline]] int taps() const { return kernel * kernel; }
  [[gnu::always_inline]] int padded() const {
    const int reach = (size_out - 1) * stride + kernel, own = size + kernel - 1;
    return reach > own ? reach : own;
  }
  [[gnu::always_inline]] std::int64_t block() const { return std::int64_t{padded()} * padded() * kLanes; }
};

/// A matrix whose element (row, depth) stands at a[row * row_stride + depth * depth_stride].
template <class W>
struct LeftOf {
  const W* a;
  std::int64_t row_stride, depth_stride;
};
using Left = LeftOf<float>;

/// Memory that the caller reads next. Kernels that compute more than they read ask for a line of it now and
/// then, so that it waits in the caches when its turn comes.
class Ahead {
 public:
  // Always inlined, as above.
  [[gnu::always_inline]] void add(const void* from, std::int64_t bytes) {
    if (bytes > 0)
      parts_[count_++] = {static_cast<const char*>(from), static_cast<const char*>(from) + bytes};
  }
  /// The first line nobody has asked for, null if there is none; and what was asked for from there on.
  [[gnu::always_inline]] const char* line() {
    while (turn_ < count_ && parts_[turn_].line >= parts_[turn_].end) ++turn_;
    return turn_ < count_ ? parts_[turn_].line : nullptr;
  }
  [[gnu::always_inline]] void asked_until(const char* line) {
    if (turn_ < count_) parts_[turn_].line = line;
  }

 private:
  struct Part {
    const char *line, *end;
  };
  Part parts_[3] = {};
  int turn_ = 0, count_ = 0;
};

/// Columns of the right-hand matrix that `product` takes at a time, where `columns` are left.
[[gnu::always_inline]] inline int panel_columns(int columns, int widest) {
  const int blocks = (columns + kLanes - 1) / kLanes;
  return kLanes * (widest == 1 || blocks == 1 ? 1 : blocks == 2 || blocks == 4 ? 2 : widest);
}

/// Single-threaded kernels on what layers leave for one another in memory, stored as T (float or Bf16) and
/// rounded to nearest even where it is written. They compute in float.
template <class T>
struct StoredKernels {
  /// c[rows][columns] = (or +=, with `add`) left * right. Right is packed (ldb = 0), or row-major with ldb
  /// floats a row; then up to 15 floats after its end are read.
  void (*product)(int rows, int columns, int depth, Left left, const float* right, std::int64_t ldb, T* c,
                  std::int64_t ldc, bool add, Ahead& ahead);
  /// y[size_out][size_out][channels]: correlation of the blocks with weights [block][tap][16].
  void (*correlate)(const Depthwise&, int stride, int size_out, const float* blocks, const float* weights,
                    T* y, Ahead& ahead);
  /// Adds sums over rows of (z - shift) and (z - shift)^2.
  void (*moments)(std::int64_t rows, int channels, const T* z, const float* shift, double* sum,
                  double* square);
  void (*affine_activate)(std::int64_t rows, int channels, const T* z, const float* scale, const float* shift,
                          float high, float step, const T* residual, T* y);
  /// The same for a reader of floats, without residual; shift null: y = z.
  void (*activate)(std::int64_t rows, int channels, const T* z, const float* scale, const float* shift,
                   float high, float step, float* y);
  double (*activate_backward)(std::int64_t rows, int channels, const T* z, const float* scale,
                              const float* shift, float high, const T* dy, float* dz, double* dshift);
  void (*normalise_backward_sums)(std::int64_t rows, int channels, const T* z, const T* dy, const float* mean,
                                  const float* inv_std, const float* scale, const float* shift, float high,
                                  double* sum, double* sum_xhat);
  /// dz = scale * g - a - (z - mean) * b, with a and b per channel.
  void (*normalise_backward)(std::int64_t rows, int channels, const T* z, const T* dy, const float* mean,
                             const float* scale, const float* shift, float high, const float* a,
                             const float* b, float* dz);
  void (*add)(std::int64_t n, const T* x, T* y);
};

/// Single-threaded float kernels, compiled once per instruction set.
struct FloatKernels : StoredKernels<float> {
  const char* isa;

  int widest;  ///< panel of `product`, in blocks of 16 columns
  /// Packs b(k, n) = from[k * depth_stride + n * column_stride] into panels of `panel_columns`, each
  /// [depth][columns], filled up with zeros.
  void (*pack)(int depth, int columns, const float* from, std::int64_t depth_stride,
               std::int64_t column_stride, float* panels);

  /// Pixels of a row to the blocks, `step` pixels apart; `to` is the place of the first in block 0.
  void (*to_blocks)(const Depthwise&, int pixels, const float* row, int step, float* to);
  /// Adds the gradient of the weights, [block][tap][16]. Output pixel (y, x) of `gradients` stands at
  /// (kernel / 2 + stride * y, kernel / 2 + stride * x) of its padded square.
  void (*accumulate_taps)(const Depthwise&, const float* blocks, const float* gradients, float* dw,
                          Ahead& ahead);

  void (*fake_quantize)(std::int64_t n, const float* x, float alpha, float step, bool is_signed, float* y);
  double (*fake_quantize_backward)(std::int64_t n, const float* x, float alpha, bool is_signed,
                                   const float* dy, float* dx);
};

extern const FloatKernels kFloatGeneric;
extern const FloatKernels kFloatAvx2;
extern const FloatKernels kFloatAvx512;
extern const StoredKernels<Bf16> kBf16Generic;
extern const StoredKernels<Bf16> kBf16Avx2;
extern const StoredKernels<Bf16> kBf16Avx512;

/// The best set this CPU runs.
const FloatKernels& float_kernels();
/// The same of a storage type.
template <class T>
const StoredKernels<T>& stored_kernels();

}  // namespace apq::nn::kernels
