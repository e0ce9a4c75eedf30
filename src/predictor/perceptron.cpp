// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "predictor/perceptron.hpp"

#include <algorithm>

#include "apq/nn/ops.hpp"

namespace apq::predictor {
namespace {

void add(const float* from, std::size_t n, float* to) {
  for (std::size_t i = 0; i < n; ++i) to[i] += from[i];
}

void add_scaled(float scale, const float* from, std::size_t n, float* to) {
  for (std::size_t i = 0; i < n; ++i) to[i] += scale * from[i];
}

void bias_and_relu(const float* bias, std::size_t n, std::vector<float>& values) {
  for (std::size_t begin = 0; begin < values.size(); begin += n)
    for (std::size_t i = 0; i < n; ++i) values[begin + i] = std::max(values[begin + i] + bias[i], 0.0f);
}

/// Through the ReLU (an activation of 0 passes nothing), and the sum over rows to the bias.
void backward_bias_and_relu(const std::vector<float>& activation, std::size_t n, std::vector<float>& d,
                            float* d_bias) {
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = activation[i] > 0 ? d[i] : 0;
  for (std::size_t begin = 0; begin < d.size(); begin += n) add(&d[begin], n, d_bias);
}

}  // namespace

std::span<const float> Perceptron::forward(std::span<const float> parameters, const Inputs& inputs) {
  const float* p = parameters.data();
  const std::size_t n = shape_.hidden, rows = inputs.ends.size();
  const int width = static_cast<int>(n), count = inputs.rows();
  first_.assign(rows * n, 0);
  for (int r = 0; r < count; ++r)
    for (const std::int32_t slot : inputs.row(r))
      if (!shape_.is_late(slot)) add(p + slot * n, n, &first_[r * n]);
  bias_and_relu(p + shape_.first_bias(), n, first_);
  if (shape_.late > 0) {
    early_ = first_;
    for (int r = 0; r < count; ++r)
      for (const std::int32_t slot : inputs.row(r))
        if (shape_.is_late(slot)) add(p + slot * n, n, &first_[r * n]);
  }

  second_.resize(rows * n);
  nn::pointwise_forward(count, width, width, first_.data(), p + shape_.second(), width, second_.data());
  bias_and_relu(p + shape_.second_bias(), n, second_);

  third_.resize(rows * n);
  nn::pointwise_forward(count, width, width, second_.data(), p + shape_.third(), width, third_.data());
  bias_and_relu(p + shape_.third_bias(), n, third_);

  output_.assign(rows, p[shape_.output_bias()]);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < n; ++i) output_[r] += third_[r * n + i] * p[shape_.output() + i];
  return output_;
}

void Perceptron::backward(std::span<const float> parameters, const Inputs& inputs,
                          std::span<const float> d_output, std::span<float> gradients) {
  const float* p = parameters.data();
  float* g = gradients.data();
  const std::size_t n = shape_.hidden, rows = inputs.ends.size();
  const int width = static_cast<int>(n), count = inputs.rows();
  d_here_.assign(rows * n, 0);
  d_below_.resize(rows * n);
  for (std::size_t r = 0; r < rows; ++r) {
    g[shape_.output_bias()] += d_output[r];
    add_scaled(d_output[r], &third_[r * n], n, g + shape_.output());
    add_scaled(d_output[r], p + shape_.output(), n, &d_here_[r * n]);
  }
  backward_bias_and_relu(third_, n, d_here_, g + shape_.third_bias());
  nn::pointwise_backward_weights(count, width, width, second_.data(), d_here_.data(), g + shape_.third(),
                                 width);
  nn::pointwise_backward_data(count, width, width, d_here_.data(), p + shape_.third(), width,
                              d_below_.data());
  d_here_.swap(d_below_);

  backward_bias_and_relu(second_, n, d_here_, g + shape_.second_bias());
  nn::pointwise_backward_weights(count, width, width, first_.data(), d_here_.data(), g + shape_.second(),
                                 width);
  nn::pointwise_backward_data(count, width, width, d_here_.data(), p + shape_.second(), width,
                              d_below_.data());
  d_here_.swap(d_below_);

  const auto to_slots = [&](bool late) {
    for (int r = 0; r < count; ++r)
      for (const std::int32_t slot : inputs.row(r))
        if (shape_.is_late(slot) == late) add(&d_here_[r * n], n, g + slot * n);
  };
  to_slots(true);
  backward_bias_and_relu(shape_.late > 0 ? early_ : first_, n, d_here_, g + shape_.first_bias());
  to_slots(false);
}

}  // namespace apq::predictor
