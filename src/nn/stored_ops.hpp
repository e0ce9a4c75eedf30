// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <type_traits>

#include "apq/nn/bf16.hpp"
#include "apq/nn/buffer.hpp"

/// The operators of ops.hpp that training needs, on tensors stored as T (float or Bf16).
namespace apq::nn {

template <class T>
void affine_activate(std::int64_t rows, int channels, const T* z, const float* scale, const float* shift,
                     float high, float step, const T* residual, T* y);
template <class T>
void normalise_backward_sums(std::int64_t rows, int channels, const T* z, const T* dy, const float* mean,
                             const float* inv_std, const float* scale, const float* shift, float high,
                             float* sum, float* sum_xhat);
template <class T>
void average_pool_forward(int batch, int pixels, int channels, const T* x, T* y);
template <class T>
void average_pool_backward(int batch, int pixels, int channels, const T* dy, T* dx);
template <class T>
void add(std::int64_t n, const T* x, T* y);

/// `x` stored as To: itself where it is that already, otherwise a copy in `memory`.
template <class To, class From>
const To* stored_as(std::size_t n, const From* x, Scratch<To>& memory) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else {
    To* copy = memory.get(n);
    for (std::size_t i = 0; i < n; ++i) assign(copy[i], to_float(x[i]));
    return copy;
  }
}

}  // namespace apq::nn
