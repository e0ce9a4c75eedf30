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
#include "nn/passes.hpp"

namespace apq::nn {

using kernels::float_kernels;

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

void depthwise_forward(const ConvShape& s, const float* x, const float* w, int ld, float* y) {
  convolve(Kind::depthwise, s, {.z = x, .activation = {}}, w, ld, y);
}
void depthwise_backward_data(const ConvShape& s, const float* dy, const float* w, int ld, float* dx) {
  convolve_backward(Kind::depthwise, s, {}, w, ld, OutputGradient(dy), nullptr, 0, dx);
}
void depthwise_backward_weights(const ConvShape& s, const float* x, const float* dy, float* dw, int ld) {
  convolve_backward(Kind::depthwise, s, {.z = x, .activation = {}}, nullptr, 0, OutputGradient(dy), dw, ld,
                    nullptr);
}

void im2col(const ConvShape& s, const float* x, float pad, float* columns) {
  const int out = s.size_out(), half = s.kernel / 2, row = s.kernel * s.cin;
  parallel(std::int64_t{s.batch} * out, 0, [&](int, Range r, float*) {
    for (std::int64_t line = r.begin; line < r.end; ++line) {
      const std::int64_t image = line / out;
      const int oy = static_cast<int>(line % out);
      for (int ox = 0; ox < out; ++ox)
        for (int ky = 0; ky < s.kernel; ++ky) {
          float* to = columns + ((line * out + ox) * s.kernel + ky) * row;
          const int iy = oy * s.stride + ky - half;
          for (int kx = 0; kx < s.kernel; ++kx, to += s.cin) {
            const int ix = ox * s.stride + kx - half;
            const bool inside = iy >= 0 && iy < s.size && ix >= 0 && ix < s.size;
            const float* from = x + ((image * s.size + iy) * s.size + ix) * s.cin;
            for (int c = 0; c < s.cin; ++c) to[c] = inside ? from[c] : pad;
          }
        }
    }
  });
}

void batch_statistics(std::int64_t rows, int channels, const float* z, float* mean, float* variance) {
  ChannelSums sums(channels);
  const std::vector<float> shift(z, z + channels);
  parallel(rows, 0, [&](int part, Range r, float*) {
    float_kernels().moments(r.end - r.begin, channels, z + r.begin * channels, shift.data(), sums.first(part),
                            sums.second(part));
  });
  sums.reduce();
  for (int c = 0; c < channels; ++c) {
    const double m = sums.first(0)[c] / static_cast<double>(rows);
    const double v = sums.second(0)[c] / static_cast<double>(rows) - m * m;
    mean[c] = static_cast<float>(m + static_cast<double>(shift[c]));
    variance[c] = static_cast<float>(std::max(v, 0.0));
  }
}

void affine_activate(std::int64_t rows, int channels, const float* z, const float* scale, const float* shift,
                     float high, float step, const float* residual, float* y) {
  APQ_ASSERT(high < 0 || residual == nullptr);
  parallel(rows, 0, [&](int, Range r, float*) {
    const std::int64_t at = r.begin * channels;
    float_kernels().affine_activate(r.end - r.begin, channels, z + at, scale, shift, high, step,
                                    residual ? residual + at : nullptr, y + at);
  });
}

double activate_backward(std::int64_t rows, int channels, const float* z, const float* scale,
                         const float* shift, float high, const float* dy, float* dz, float* dshift) {
  ChannelSums sums(channels);
  std::vector<double> clipped(static_cast<std::size_t>(threads()), 0.0);
  parallel(rows, 0, [&](int part, Range r, float*) {
    const std::int64_t at = r.begin * channels;
    clipped[static_cast<std::size_t>(part)] = float_kernels().activate_backward(
        r.end - r.begin, channels, z + at, scale, shift, high, dy + at, dz + at, sums.first(part));
  });
  sums.reduce();
  if (dshift)
    for (int c = 0; c < channels; ++c) dshift[c] += static_cast<float>(sums.first(0)[c]);
  double total = 0;
  for (double v : clipped) total += v;
  return total;
}

void normalise_backward_sums(std::int64_t rows, int channels, const float* z, const float* dy,
                             const float* mean, const float* inv_std, const float* scale, const float* shift,
                             float high, float* sum, float* sum_xhat) {
  ChannelSums sums(channels);
  parallel(rows, 0, [&](int part, Range r, float*) {
    const std::int64_t at = r.begin * channels;
    float_kernels().normalise_backward_sums(r.end - r.begin, channels, z + at, dy + at, mean, inv_std, scale,
                                            shift, high, sums.first(part), sums.second(part));
  });
  sums.reduce();
  for (int c = 0; c < channels; ++c) {
    sum[c] = static_cast<float>(sums.first(0)[c]);
    sum_xhat[c] = static_cast<float>(sums.second(0)[c]);
  }
}

void normalise_backward(std::int64_t rows, int channels, const float* z, const float* dy, const float* mean,
                        const float* inv_std, const float* scale, const float* shift, float high,
                        const float* sum, const float* sum_xhat, float* dz) {
  std::vector<float> a(static_cast<std::size_t>(channels)), b(a.size());
  const float inverse_rows = 1.0f / static_cast<float>(rows);
  for (int c = 0; c < channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    a[i] = scale[c] * sum[c] * inverse_rows;
    b[i] = scale[c] * inv_std[c] * sum_xhat[c] * inverse_rows;
  }
  parallel(rows, 0, [&](int, Range r, float*) {
    const std::int64_t at = r.begin * channels;
    float_kernels().normalise_backward(r.end - r.begin, channels, z + at, dy + at, mean, scale, shift, high,
                                       a.data(), b.data(), dz + at);
  });
}

void average_pool_forward(int batch, int pixels, int channels, const float* x, float* y) {
  const float inverse = 1.0f / static_cast<float>(pixels);
  parallel(batch, 0, [&](int, Range r, float*) {
    for (std::int64_t n = r.begin; n < r.end; ++n) {
      float* out = y + n * channels;
      std::fill(out, out + channels, 0.0f);
      for (int p = 0; p < pixels; ++p) float_kernels().add(channels, x + (n * pixels + p) * channels, out);
      for (int c = 0; c < channels; ++c) out[c] *= inverse;
    }
  });
}

void average_pool_backward(int batch, int pixels, int channels, const float* dy, float* dx) {
  const float inverse = 1.0f / static_cast<float>(pixels);
  parallel(batch, 0, [&](int, Range r, float*) {
    for (std::int64_t n = r.begin; n < r.end; ++n)
      for (int p = 0; p < pixels; ++p)
        for (int c = 0; c < channels; ++c)
          dx[(n * pixels + p) * channels + c] = dy[n * channels + c] * inverse;
  });
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

void add(std::int64_t n, const float* x, float* y) {
  parallel(n, 0,
           [&](int, Range r, float*) { float_kernels().add(r.end - r.begin, x + r.begin, y + r.begin); });
}

}  // namespace apq::nn
