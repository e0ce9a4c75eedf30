// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <vector>

#include "apq/core/error.hpp"
#include "apq/nn/ops.hpp"

namespace apq::nn {

int quantizer_levels(int bits, bool is_signed) { return (1 << (is_signed ? bits - 1 : bits)) - 1; }

void fake_quantize_weight(std::int64_t rows, int channels, const float* w, int ld, const float* steps,
                          int bits, float* out) {
  const float levels = static_cast<float>(quantizer_levels(bits, true));
  for (std::int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < channels; ++c) {
      const float q = std::clamp(std::rint(w[r * ld + c] / steps[c]), -levels, levels);
      out[r * channels + c] = q * steps[c];
    }
}

void softmax(int batch, int classes, const float* logits, float* probabilities) {
  for (int n = 0; n < batch; ++n) {
    const float* in = logits + std::int64_t{n} * classes;
    float* out = probabilities + std::int64_t{n} * classes;
    const float top = *std::max_element(in, in + classes);
    double sum = 0;
    for (int c = 0; c < classes; ++c) sum += static_cast<double>(out[c] = std::exp(in[c] - top));
    for (int c = 0; c < classes; ++c) out[c] = static_cast<float>(static_cast<double>(out[c]) / sum);
  }
}

double softmax_cross_entropy(int batch, int classes, const float* logits, const std::int32_t* labels,
                             float smoothing, const float* teacher, float teacher_weight, float* dlogits) {
  softmax(batch, classes, logits, dlogits);
  const float hard = teacher ? 1.0f - teacher_weight : 1.0f;
  const float off = hard * smoothing / static_cast<float>(classes);
  const float on = hard * (1.0f - smoothing);
  double loss = 0;
  for (int n = 0; n < batch; ++n) {
    float* p = dlogits + std::int64_t{n} * classes;
    for (int c = 0; c < classes; ++c) {
      float target = off + (c == labels[n] ? on : 0.0f);
      if (teacher) target += teacher_weight * teacher[std::int64_t{n} * classes + c];
      loss -= static_cast<double>(target) * std::log(std::max(static_cast<double>(p[c]), 1e-30));
      p[c] = (p[c] - target) / static_cast<float>(batch);
    }
  }
  return loss / batch;
}

int count_correct(int batch, int classes, const float* logits, const std::int32_t* labels) {
  int correct = 0;
  for (int n = 0; n < batch; ++n) {
    const float* in = logits + std::int64_t{n} * classes;
    correct += std::max_element(in, in + classes) - in == labels[n];
  }
  return correct;
}

void sgd_step(const SgdOptions& options, std::span<float> values, std::span<float> grads,
              std::span<float> velocity, std::size_t decayed) {
  APQ_ASSERT(values.size() == grads.size() && values.size() == velocity.size() && decayed <= values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float g = grads[i] + (i < decayed ? options.weight_decay * values[i] : 0.0f);
    velocity[i] = options.momentum * velocity[i] + g;
    values[i] -=
        options.learning_rate * (options.nesterov ? g + options.momentum * velocity[i] : velocity[i]);
    grads[i] = 0;
  }
}

double clip_gradient(std::span<float> grads, double limit) {
  double square = 0;
  for (float g : grads) square += static_cast<double>(g) * static_cast<double>(g);
  const double norm = std::sqrt(square);
  if (limit > 0 && norm > limit) {
    const float factor = static_cast<float>(limit / norm);
    for (float& g : grads) g *= factor;
  }
  return norm;
}

}  // namespace apq::nn
