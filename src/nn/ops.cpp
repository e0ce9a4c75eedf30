// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/nn/ops.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "apq/core/error.hpp"
#include "nn/kernels/float_kernels.hpp"
#include "nn/onednn/gemm.hpp"
#include "nn/parallel.hpp"
#include "nn/stored_ops.hpp"

namespace apq::nn {

using kernels::float_kernels;
using kernels::stored_kernels;

void set_threads(int threads) { omp_set_num_threads(threads); }
int threads() { return omp_get_max_threads(); }
const char* kernel_isa() { return float_kernels().isa; }

void pointwise_forward(std::int64_t rows, int cin, int cout, const float* x, const float* w, int ld,
                       float* y) {
  onednn::sgemm('N', 'N', rows, cout, cin, 1, x, cin, w, ld, 0, y, cout);
}
void pointwise_backward_data(std::int64_t rows, int cin, int cout, const float* dy, const float* w, int ld,
                             float* dx) {
  onednn::sgemm('N', 'T', rows, cin, cout, 1, dy, cout, w, ld, 0, dx, cin);
}
void pointwise_backward_weights(std::int64_t rows, int cin, int cout, const float* x, const float* dy,
                                float* dw, int ld) {
  onednn::sgemm('T', 'N', cin, cout, rows, 1, x, cin, dy, cout, 1, dw, ld);
}

template <class T>
void affine_activate(std::int64_t rows, int channels, const T* z, const float* scale, const float* shift,
                     float high, float step, const T* residual, T* y) {
  APQ_ASSERT(high < 0 || residual == nullptr);
  parallel(rows, 0, [&](int, Range r, float*) {
    const std::int64_t at = r.begin * channels;
    stored_kernels<T>().affine_activate(r.end - r.begin, channels, z + at, scale, shift, high, step,
                                        residual ? residual + at : nullptr, y + at);
  });
}

template <class T>
void normalise_backward_sums(std::int64_t rows, int channels, const T* z, const T* dy, const float* mean,
                             const float* inv_std, const float* scale, const float* shift, float high,
                             float* sum, float* sum_xhat) {
  ChannelSums sums(channels);
  parallel(rows, 0, [&](int part, Range r, float*) {
    const std::int64_t at = r.begin * channels;
    stored_kernels<T>().normalise_backward_sums(r.end - r.begin, channels, z + at, dy + at, mean, inv_std,
                                                scale, shift, high, sums.first(part), sums.second(part));
  });
  sums.reduce();
  for (int c = 0; c < channels; ++c) {
    sum[c] = static_cast<float>(sums.first(0)[c]);
    sum_xhat[c] = static_cast<float>(sums.second(0)[c]);
  }
}

template <class T>
void average_pool_forward(int batch, int pixels, int channels, const T* x, T* y) {
  const float inverse = 1.0f / static_cast<float>(pixels);
  parallel(batch, channels, [&](int, Range r, float* sums) {
    for (std::int64_t n = r.begin; n < r.end; ++n) {
      std::fill_n(sums, channels, 0.0f);
      for (int p = 0; p < pixels; ++p)
        for (int c = 0; c < channels; ++c) sums[c] += to_float(x[(n * pixels + p) * channels + c]);
      for (int c = 0; c < channels; ++c) assign(y[n * channels + c], sums[c] * inverse);
    }
  });
}

template <class T>
void average_pool_backward(int batch, int pixels, int channels, const T* dy, T* dx) {
  const float inverse = 1.0f / static_cast<float>(pixels);
  parallel(batch, 0, [&](int, Range r, float*) {
    for (std::int64_t n = r.begin; n < r.end; ++n)
      for (int p = 0; p < pixels; ++p)
        for (int c = 0; c < channels; ++c)
          assign(dx[(n * pixels + p) * channels + c], to_float(dy[n * channels + c]) * inverse);
  });
}

template <class T>
void add(std::int64_t n, const T* x, T* y) {
  parallel(n, 0,
           [&](int, Range r, float*) { stored_kernels<T>().add(r.end - r.begin, x + r.begin, y + r.begin); });
}

void fake_quantize(std::int64_t n, const float* x, float alpha, float step, bool is_signed, float* y) {
  parallel(n, 0, [&](int, Range r, float*) {
    float_kernels().fake_quantize(r.end - r.begin, x + r.begin, alpha, step, is_signed, y + r.begin);
  });
}

double fake_quantize_backward(std::int64_t n, const float* x, float alpha, bool is_signed, const float* dy,
                              float* dx) {
  std::vector<double> sums(static_cast<std::size_t>(threads()), 0.0);
  parallel(n, 0, [&](int part, Range r, float*) {
    sums[static_cast<std::size_t>(part)] = float_kernels().fake_quantize_backward(
        r.end - r.begin, x + r.begin, alpha, is_signed, dy + r.begin, dx + r.begin);
  });
  double total = 0;
  for (double v : sums) total += v;
  return total;
}

// The float operators of ops.hpp, and the others instantiated.

void affine_activate(std::int64_t rows, int channels, const float* z, const float* scale, const float* shift,
                     float high, float step, const float* residual, float* y) {
  affine_activate<float>(rows, channels, z, scale, shift, high, step, residual, y);
}
void normalise_backward_sums(std::int64_t rows, int channels, const float* z, const float* dy,
                             const float* mean, const float* inv_std, const float* scale, const float* shift,
                             float high, float* sum, float* sum_xhat) {
  normalise_backward_sums<float>(rows, channels, z, dy, mean, inv_std, scale, shift, high, sum, sum_xhat);
}
void average_pool_forward(int batch, int pixels, int channels, const float* x, float* y) {
  average_pool_forward<float>(batch, pixels, channels, x, y);
}
void average_pool_backward(int batch, int pixels, int channels, const float* dy, float* dx) {
  average_pool_backward<float>(batch, pixels, channels, dy, dx);
}
void add(std::int64_t n, const float* x, float* y) { add<float>(n, x, y); }

template void affine_activate(std::int64_t, int, const Bf16*, const float*, const float*, float, float,
                              const Bf16*, Bf16*);
template void normalise_backward_sums(std::int64_t, int, const Bf16*, const Bf16*, const float*, const float*,
                                      const float*, const float*, float, float*, float*);
template void average_pool_forward(int, int, int, const Bf16*, Bf16*);
template void average_pool_backward(int, int, int, const Bf16*, Bf16*);
template void add(std::int64_t, const Bf16*, Bf16*);

}  // namespace apq::nn
