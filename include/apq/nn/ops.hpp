// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <span>

/// Float operators on channels-last tensors (rows x channels; a row is one pixel of one image).
/// apq::nn is the fast set, apq::nn::ref the plain truth it is tested against; ref also has the operators
/// that the fast engine only does as parts of a layer's pass. Weight layouts: pointwise and linear [cin][ld
/// >= cout]; depthwise [kernel*kernel][ld >= channels]; dense [kernel*kernel*cin][ld >= cout]. `ld` lets a
/// sub-network use a corner of a larger weight in place. Backward-weight functions add to their result; all
/// others overwrite.

namespace apq::nn {

/// Number of threads the operators of this process use.
void set_threads(int threads);
int threads();

struct ConvShape {
  int batch = 0;
  int size = 0;  ///< input height and width; padding is kernel / 2
  int cin = 0;
  int cout = 0;  ///< equals cin for depthwise
  int kernel = 1;
  int stride = 1;
  int size_out() const { return (size + stride - 1) / stride; }
  std::int64_t rows_in() const { return std::int64_t{batch} * size * size; }
  std::int64_t rows_out() const { return std::int64_t{batch} * size_out() * size_out(); }
};

#define APQ_NN_DECLARE_OPS                                                                                   \
  void pointwise_forward(std::int64_t rows, int cin, int cout, const float* x, const float* w, int ld,       \
                         float* y);                                                                          \
  void pointwise_backward_data(std::int64_t rows, int cin, int cout, const float* dy, const float* w,        \
                               int ld, float* dx);                                                           \
  void pointwise_backward_weights(std::int64_t rows, int cin, int cout, const float* x, const float* dy,     \
                                  float* dw, int ld);                                                        \
  /* y = round(clip(z * scale + shift, 0, high) / step) * step + residual. scale null: 1; high < 0: no       \
     clip; step 0: no rounding; residual null: none (never together with a clip). y may be z. */             \
  void affine_activate(std::int64_t rows, int channels, const float* z, const float* scale,                  \
                       const float* shift, float high, float step, const float* residual, float* y);         \
  /* with g = dy where 0 < z*scale+shift < high, else 0 (high < 0: everywhere): sums over rows of g and of g \
   * * (z - mean) * inv_std */                                                                               \
  void normalise_backward_sums(std::int64_t rows, int channels, const float* z, const float* dy,             \
                               const float* mean, const float* inv_std, const float* scale,                  \
                               const float* shift, float high, float* sum, float* sum_xhat);                 \
  void average_pool_forward(int batch, int pixels, int channels, const float* x, float* y);                  \
  void average_pool_backward(int batch, int pixels, int channels, const float* dy, float* dx);               \
  /* round(clip(x, -alpha or 0, alpha) / step) * step */                                                     \
  void fake_quantize(std::int64_t n, const float* x, float alpha, float step, bool is_signed, float* y);     \
  /* dx = dy inside the clip, 0 outside (may be dy); returns d loss / d alpha of the clip (PACT) */          \
  double fake_quantize_backward(std::int64_t n, const float* x, float alpha, bool is_signed,                 \
                                const float* dy, float* dx);                                                 \
  /* y += x */                                                                                               \
  void add(std::int64_t n, const float* x, float* y);

APQ_NN_DECLARE_OPS
namespace ref {
APQ_NN_DECLARE_OPS

void depthwise_forward(const ConvShape& s, const float* x, const float* w, int ld, float* y);
void depthwise_backward_data(const ConvShape& s, const float* dy, const float* w, int ld, float* dx);
void depthwise_backward_weights(const ConvShape& s, const float* x, const float* dy, float* dw, int ld);
/// columns: rows_out x (kernel*kernel*cin); taps outside the image are `pad`.
void im2col(const ConvShape& s, const float* x, float pad, float* columns);
/// Mean and biased variance of each channel.
void batch_statistics(std::int64_t rows, int channels, const float* z, float* mean, float* variance);
/// dz = scale * g with g masked as in normalise_backward_sums; adds g to dshift (may be null); returns the
/// sum of dy where the clip at `high` was active. dz may be dy.
double activate_backward(std::int64_t rows, int channels, const float* z, const float* scale,
                         const float* shift, float high, const float* dy, float* dz, float* dshift);
/// dz = scale * (g - sum/rows - (z - mean) * inv_std * sum_xhat/rows); dz may be dy.
void normalise_backward(std::int64_t rows, int channels, const float* z, const float* dy, const float* mean,
                        const float* inv_std, const float* scale, const float* shift, float high,
                        const float* sum, const float* sum_xhat, float* dz);
}  // namespace ref
#undef APQ_NN_DECLARE_OPS

/// Number of quantization levels on the positive side: 2^(bits-1)-1 signed, 2^bits-1 unsigned.
int quantizer_levels(int bits, bool is_signed);

/// Weight fake quantization with one step per channel (the last dimension, `ld` apart): out is dense
/// [rows][channels].
void fake_quantize_weight(std::int64_t rows, int channels, const float* w, int ld, const float* steps,
                          int bits, float* out);

/// Mean over the batch of (1-w) * CE(labels, smoothed) + w * CE(teacher probabilities); fills dlogits
/// ([batch][classes], already divided by batch). `teacher` may be null (then w is ignored).
double softmax_cross_entropy(int batch, int classes, const float* logits, const std::int32_t* labels,
                             float smoothing, const float* teacher, float teacher_weight, float* dlogits);
void softmax(int batch, int classes, const float* logits, float* probabilities);
/// Number of rows whose largest logit (lowest index on ties) is the label.
int count_correct(int batch, int classes, const float* logits, const std::int32_t* labels);

struct SgdOptions {
  float learning_rate = 0.1f;
  float momentum = 0.9f;
  float weight_decay = 4e-5f;
  bool nesterov = true;
};
/// One step on `values`; the first `decayed` entries get weight decay. Clears `grads`.
void sgd_step(const SgdOptions& options, std::span<float> values, std::span<float> grads,
              std::span<float> velocity, std::size_t decayed);
/// Scales grads so that their Euclidean norm is at most `limit`; returns the norm before.
double clip_gradient(std::span<float> grads, double limit);

/// Name of the instruction set the own kernels were dispatched to: "avx512", "avx2" or "generic".
const char* kernel_isa();

}  // namespace apq::nn
