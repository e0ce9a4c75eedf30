// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <type_traits>

#include "apq/nn/buffer.hpp"
#include "apq/nn/network.hpp"
#include "apq/nn/ops.hpp"

/// A layer's whole work in one walk over memory. Between layers only the convolution results z are stored;
/// the normalisation and clip after them are applied where the next layer reads them, and their gradients
/// where the backward pass reads those. Each block of rows or image does all its steps while it is in cache.
/// What lies in memory between the passes is of type T, float or Bf16; they compute in float,
/// 1x1 convolutions of Bf16 in products.hpp's pairs where those are faster.
namespace apq::nn {

/// y = round(clip(z * scale + shift, 0, high) / step) * step per channel. shift null: y = z; scale null: 1;
/// high < 0: no clip; step 0: no rounding.
struct Activation {
  const float* scale = nullptr;
  const float* shift = nullptr;
  float high = -1, step = 0;
};

/// What a layer reads: the result of the one before and its activation.
template <class T>
struct InputOf {
  const T* z = nullptr;
  Activation activation;
};
using Input = InputOf<float>;

/// Mean and biased variance of each channel of the result; null: not wanted.
struct Statistics {
  float* mean = nullptr;
  float* variance = nullptr;
};

/// Gradient with respect to a layer's result z, from dy, that of its activation:
/// with normalisation (mean set) scale * masked(dy) - a - (z - mean) * b, else masked(dy), the sums of which
/// are added to dshift, and where the clip at `high` was active to *clipped.
template <class T>
struct OutputGradientOf {
  /// Without activation: dz = dy.
  explicit OutputGradientOf(const T* gradient) : dy(gradient) {}

  const T* z = nullptr;
  const T* dy = nullptr;
  Activation activation;
  const float* mean = nullptr;
  const float* a = nullptr;
  const float* b = nullptr;
  float* dshift = nullptr;
  double* clipped = nullptr;
};
using OutputGradient = OutputGradientOf<float>;

/// What the layer before needs of this one's dx if it is normalised: with g = dx masked by its activation,
/// the sums over rows of g and of g * (z - mean) * inv_std. mean null: not wanted.
struct InputSums {
  const float* mean = nullptr;
  const float* inv_std = nullptr;
  float* sum = nullptr;
  float* sum_xhat = nullptr;
};

/// A layer's weights in the order of the kernels, for several calls with the same weights.
struct PackedWeights {
  Scratch<float> memory;
  bool ready = false;  ///< set by the first call
};

/// z = convolution of the input. Dense layers take the image as it is (no activation). `kept`: for calls that
/// follow one another with the same weights.
template <class T>
void convolve(Kind kind, const ConvShape& s, const InputOf<T>& in, const float* w, int ld, T* z,
              const Statistics& statistics = {}, PackedWeights* kept = nullptr);

/// Adds to dw (null: not wanted) and fills dx (null: not wanted), the gradient with respect to the activated
/// input.
template <class T>
void convolve_backward(Kind kind, const ConvShape& s, const InputOf<T>& in, const float* w, int ld,
                       const OutputGradientOf<T>& gradient, float* dw, int dw_ld, std::type_identity_t<T>* dx,
                       const InputSums& sums = {});

}  // namespace apq::nn
