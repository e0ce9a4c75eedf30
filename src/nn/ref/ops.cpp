// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/nn/ops.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace apq::nn::ref {

namespace {

/// Calls body(out, in, tap) with the pixel rows of every output, and the input under each tap of its window.
template <class Body>
void for_each_tap(const ConvShape& s, Body body) {
  const int out = s.size_out();
  for (int n = 0; n < s.batch; ++n)
    for (int oy = 0; oy < out; ++oy)
      for (int ox = 0; ox < out; ++ox)
        for (int ky = 0; ky < s.kernel; ++ky)
          for (int kx = 0; kx < s.kernel; ++kx) {
            const int iy = oy * s.stride + ky - s.kernel / 2, ix = ox * s.stride + kx - s.kernel / 2;
            if (iy < 0 || ix < 0 || iy >= s.size || ix >= s.size) continue;
            body((std::int64_t{n} * out + oy) * out + ox, (std::int64_t{n} * s.size + iy) * s.size + ix,
                 ky * s.kernel + kx);
          }
}

bool inside(float z, float scale, float shift, float high) {
  const float v = z * scale + shift;
  return high < 0 || (v > 0 && v < high);
}

}  // namespace

void pointwise_forward(std::int64_t rows, int cin, int cout, const float* x, const float* w, int ld,
                       float* y) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (int o = 0; o < cout; ++o) {
      double sum = 0;
      for (int i = 0; i < cin; ++i)
        sum += static_cast<double>(x[r * cin + i]) * static_cast<double>(w[i * ld + o]);
      y[r * cout + o] = static_cast<float>(sum);
    }
}

void pointwise_backward_data(std::int64_t rows, int cin, int cout, const float* dy, const float* w, int ld,
                             float* dx) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (int i = 0; i < cin; ++i) {
      double sum = 0;
      for (int o = 0; o < cout; ++o)
        sum += static_cast<double>(dy[r * cout + o]) * static_cast<double>(w[i * ld + o]);
      dx[r * cin + i] = static_cast<float>(sum);
    }
}

void pointwise_backward_weights(std::int64_t rows, int cin, int cout, const float* x, const float* dy,
                                float* dw, int ld) {
  for (int i = 0; i < cin; ++i)
    for (int o = 0; o < cout; ++o) {
      double sum = 0;
      for (std::int64_t r = 0; r < rows; ++r)
        sum += static_cast<double>(x[r * cin + i]) * static_cast<double>(dy[r * cout + o]);
      dw[i * ld + o] += static_cast<float>(sum);
    }
}

void depthwise_forward(const ConvShape& s, const float* x, const float* w, int ld, float* y) {
  std::fill(y, y + s.rows_out() * s.cin, 0.0f);
  for_each_tap(s, [&](std::int64_t out, std::int64_t in, int tap) {
    for (int c = 0; c < s.cin; ++c) y[out * s.cin + c] += x[in * s.cin + c] * w[tap * ld + c];
  });
}

void depthwise_backward_data(const ConvShape& s, const float* dy, const float* w, int ld, float* dx) {
  std::fill(dx, dx + s.rows_in() * s.cin, 0.0f);
  for_each_tap(s, [&](std::int64_t out, std::int64_t in, int tap) {
    for (int c = 0; c < s.cin; ++c) dx[in * s.cin + c] += dy[out * s.cin + c] * w[tap * ld + c];
  });
}

void depthwise_backward_weights(const ConvShape& s, const float* x, const float* dy, float* dw, int ld) {
  std::vector<double> sum(static_cast<std::size_t>(s.kernel) * s.kernel * s.cin, 0.0);
  for_each_tap(s, [&](std::int64_t out, std::int64_t in, int tap) {
    for (int c = 0; c < s.cin; ++c)
      sum[static_cast<std::size_t>(tap * s.cin + c)] +=
          static_cast<double>(dy[out * s.cin + c]) * static_cast<double>(x[in * s.cin + c]);
  });
  for (int tap = 0; tap < s.kernel * s.kernel; ++tap)
    for (int c = 0; c < s.cin; ++c)
      dw[tap * ld + c] += static_cast<float>(sum[static_cast<std::size_t>(tap * s.cin + c)]);
}

void im2col(const ConvShape& s, const float* x, float pad, float* columns) {
  const int taps = s.kernel * s.kernel;
  std::fill(columns, columns + s.rows_out() * taps * s.cin, pad);
  for_each_tap(s, [&](std::int64_t out, std::int64_t in, int tap) {
    for (int c = 0; c < s.cin; ++c) columns[(out * taps + tap) * s.cin + c] = x[in * s.cin + c];
  });
}

void batch_statistics(std::int64_t rows, int channels, const float* z, float* mean, float* variance) {
  for (int c = 0; c < channels; ++c) {
    double sum = 0, square = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += static_cast<double>(z[r * channels + c]);
    const double m = sum / static_cast<double>(rows);
    for (std::int64_t r = 0; r < rows; ++r) {
      const double d = static_cast<double>(z[r * channels + c]) - m;
      square += d * d;
    }
    mean[c] = static_cast<float>(m);
    variance[c] = static_cast<float>(square / static_cast<double>(rows));
  }
}

void affine_activate(std::int64_t rows, int channels, const float* z, const float* scale, const float* shift,
                     float high, float step, const float* residual, float* y) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < channels; ++c) {
      float v = z[r * channels + c] * (scale ? scale[c] : 1.0f) + shift[c];
      if (high >= 0) v = std::clamp(v, 0.0f, high);
      if (step > 0) v = std::rint(v / step) * step;
      y[r * channels + c] = v + (residual ? residual[r * channels + c] : 0.0f);
    }
}

double activate_backward(std::int64_t rows, int channels, const float* z, const float* scale,
                         const float* shift, float high, const float* dy, float* dz, float* dshift) {
  double clipped = 0;
  for (int c = 0; c < channels; ++c) {
    const float factor = scale ? scale[c] : 1.0f;
    double sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t i = r * channels + c;
      const float g = dy[i];
      if (high >= 0 && z[i] * factor + shift[c] >= high) clipped += static_cast<double>(g);
      const float m = inside(z[i], factor, shift[c], high) ? g : 0.0f;
      sum += static_cast<double>(m);
      dz[i] = m * factor;
    }
    if (dshift) dshift[c] += static_cast<float>(sum);
  }
  return clipped;
}

void normalise_backward_sums(std::int64_t rows, int channels, const float* z, const float* dy,
                             const float* mean, const float* inv_std, const float* scale, const float* shift,
                             float high, float* sum, float* sum_xhat) {
  for (int c = 0; c < channels; ++c) {
    double s = 0, q = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t i = r * channels + c;
      if (!inside(z[i], scale[c], shift[c], high)) continue;
      s += static_cast<double>(dy[i]);
      q += static_cast<double>(dy[i]) * static_cast<double>((z[i] - mean[c]) * inv_std[c]);
    }
    sum[c] = static_cast<float>(s);
    sum_xhat[c] = static_cast<float>(q);
  }
}

void normalise_backward(std::int64_t rows, int channels, const float* z, const float* dy, const float* mean,
                        const float* inv_std, const float* scale, const float* shift, float high,
                        const float* sum, const float* sum_xhat, float* dz) {
  const float n = static_cast<float>(rows);
  for (std::int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < channels; ++c) {
      const std::int64_t i = r * channels + c;
      const float g = inside(z[i], scale[c], shift[c], high) ? dy[i] : 0.0f;
      dz[i] = scale[c] * (g - sum[c] / n - (z[i] - mean[c]) * inv_std[c] * sum_xhat[c] / n);
    }
}

void average_pool_forward(int batch, int pixels, int channels, const float* x, float* y) {
  for (int n = 0; n < batch; ++n)
    for (int c = 0; c < channels; ++c) {
      double sum = 0;
      for (int p = 0; p < pixels; ++p)
        sum += static_cast<double>(x[(std::int64_t{n} * pixels + p) * channels + c]);
      y[std::int64_t{n} * channels + c] = static_cast<float>(sum / pixels);
    }
}

void average_pool_backward(int batch, int pixels, int channels, const float* dy, float* dx) {
  for (std::int64_t r = 0; r < std::int64_t{batch} * pixels; ++r)
    for (int c = 0; c < channels; ++c)
      dx[r * channels + c] = dy[r / pixels * channels + c] / static_cast<float>(pixels);
}

void fake_quantize(std::int64_t n, const float* x, float alpha, float step, bool is_signed, float* y) {
  for (std::int64_t i = 0; i < n; ++i)
    y[i] = std::rint(std::clamp(x[i], is_signed ? -alpha : 0.0f, alpha) / step) * step;
}

double fake_quantize_backward(std::int64_t n, const float* x, float alpha, bool is_signed, const float* dy,
                              float* dx) {
  const float low = is_signed ? -alpha : 0.0f;
  double dalpha = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = dy[i];
    if (x[i] >= alpha) dalpha += static_cast<double>(g);
    if (is_signed && x[i] <= low) dalpha -= static_cast<double>(g);
    dx[i] = x[i] > low && x[i] < alpha ? g : 0.0f;
  }
  return dalpha;
}

void add(std::int64_t n, const float* x, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += x[i];
}

}  // namespace apq::nn::ref
