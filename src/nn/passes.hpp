// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>

#include "apq/nn/buffer.hpp"
#include "apq/nn/network.hpp"
#include "apq/nn/ops.hpp"

/// A layer's whole work in one walk over memory. Between layers only the convolution results z are stored;
/// the normalisation and clip after them are applied where the next layer reads them, and their gradients
/// where the backward pass reads those. Each block of rows or image does all its steps while it is in cache.
namespace apq::nn {

/// y = round(clip(z * scale + shift, 0, high) / step) * step per channel. shift null: y = z; scale null: 1;
/// high < 0: no clip; step 0: no rounding.
struct Activation {
  const float* scale = nullptr;
  const float* shift = nullptr;
  float high = -1, step = 0;
};

/// What a layer reads: the result of the one before and its activation.
struct Input {
  const float* z = nullptr;
  Activation activation;
};

/// Mean and biased variance of each channel of the result; null: not wanted.
struct Statistics {
  float* mean = nullptr;
  float* variance = nullptr;
};

/// Gradient with respect to a layer's result z, from dy, that of its activation:
/// with normalisation (mean set) scale * masked(dy) - a - (z - mean) * b, else masked(dy), the sums of which
/// are added to dshift, and where the clip at `high` was active to *clipped.
struct OutputGradient {
  /// Without activation: dz = dy.
  explicit OutputGradient(const float* gradient) : dy(gradient) {}

  const float* z = nullptr;
  const float* dy = nullptr;
  Activation activation;
  const float* mean = nullptr;
  const float* a = nullptr;
  const float* b = nullptr;
  float* dshift = nullptr;
  double* clipped = nullptr;
};

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
void convolve(Kind kind, const ConvShape& s, const Input& in, const float* w, int ld, float* z,
              const Statistics& statistics = {}, PackedWeights* kept = nullptr);

/// Adds to dw (null: not wanted) and fills dx (null: not wanted), the gradient with respect to the activated
/// input.
void convolve_backward(Kind kind, const ConvShape& s, const Input& in, const float* w, int ld,
                       const OutputGradient& gradient, float* dw, int dw_ld, float* dx,
                       const InputSums& sums = {});

}  // namespace apq::nn
