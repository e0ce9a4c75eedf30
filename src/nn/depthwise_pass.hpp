// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include "nn/passes.hpp"

namespace apq::nn {

/// convolve and convolve_backward of depthwise layers, image by image.
template <class T>
void depthwise_pass(const ConvShape& s, const InputOf<T>& in, const float* w, int ld, T* z,
                    const Statistics& statistics, PackedWeights* kept);
template <class T>
void depthwise_pass_backward(const ConvShape& s, const InputOf<T>& in, const float* w, int ld,
                             const OutputGradientOf<T>& gradient, float* dw, int dw_ld, T* dx,
                             const InputSums& sums);

}  // namespace apq::nn
