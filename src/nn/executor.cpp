// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "apq/core/error.hpp"
#include "apq/nn/network.hpp"
#include "apq/nn/ops.hpp"

namespace apq::nn {

namespace {

constexpr float kRelu6 = 6.0f;

ConvShape shape_of(const Layer& l, int batch) { return {batch, l.size, l.cin, l.cout, l.kernel, l.stride}; }
int pixels_out(const Layer& l) { return l.kind == Kind::linear ? 1 : l.size_out() * l.size_out(); }
std::int64_t rows_in(const Layer& l, int batch) {
  return l.kind == Kind::linear ? batch : std::int64_t{batch} * l.size * l.size;
}
std::int64_t rows_out(const Layer& l, int batch) { return std::int64_t{batch} * pixels_out(l); }
std::int64_t weight_rows(const Layer& l) {
  const std::int64_t taps = std::int64_t{l.kernel} * l.kernel;
  return l.kind == Kind::depthwise ? taps : taps * l.cin;
}
float step_of(const InputQuantizer& q) {
  return *q.alpha.value / static_cast<float>(quantizer_levels(q.bits, q.is_signed));
}
std::size_t elements(std::int64_t rows, int channels) { return static_cast<std::size_t>(rows * channels); }

}  // namespace

/// What one layer keeps between forward and backward.
struct LayerState {
  Scratch<float> z;          ///< convolution result
  Scratch<float> y;          ///< after normalisation, clip, residual
  Scratch<float> quantized;  ///< quantized input, where not fused into the previous activation
  Scratch<float> columns;    ///< im2col of a dense layer
  Scratch<float> pooled;     ///< pooled input of the linear layer
  Scratch<float> weight;     ///< fake-quantized weight
  Scratch<float> spread;     ///< gradient with respect to the output, kept for the residual path
  std::vector<float> mean, variance, inv_std, scale, shift;
  std::vector<double> mean_sum, variance_sum;
  const float* raw_input = nullptr;  ///< before the input quantizer
  const float* input = nullptr;      ///< what the convolution saw
  const float* used_weight = nullptr;
  int used_ld = 0;
  bool fused_quantizer = false;  ///< the previous layer's activation already quantized the input
};

struct Executor::Impl {
  std::vector<LayerState> states;
  std::vector<Scratch<float>> gradients{3};
  std::int64_t statistics_batches = 0;
  Observer observer;

  bool fuses_next(const Network& net, std::size_t i) const;
  const float* forward(const Network& net, const float* x, int batch, Mode mode);
  void convolve(const Layer& l, LayerState& s, int batch);
  void normalise(const Layer& l, LayerState& s, int batch, Mode mode, const Network& net);
  void backward(const Network& net, const float* dlogits, int batch);
  void convolve_backward(const Layer& l, LayerState& s, int batch, const float* dz, float* dx);
  int batch = 0;
};

/// A following unsigned quantizer can round in the activation's own pass, unless somebody needs the raw
/// value.
bool Executor::Impl::fuses_next(const Network& net, std::size_t i) const {
  if (observer || i + 1 >= net.layers.size()) return false;
  const Layer& next = net.layers[i + 1];
  if (!net.layers[i].relu6 || next.kind == Kind::linear || next.input_quantizer.bits == 0 ||
      next.input_quantizer.is_signed)
    return false;
  return std::none_of(net.layers.begin(), net.layers.end(),
                      [&](const Layer& l) { return l.residual_from == static_cast<int>(i) + 1; });
}

void Executor::Impl::convolve(const Layer& l, LayerState& s, int batch) {
  s.used_weight = l.weight.value;
  s.used_ld = l.weight.ld;
  if (l.weight_bits > 0) {
    float* w = s.weight.get(static_cast<std::size_t>(weight_rows(l)) * l.cout);
    fake_quantize_weight(weight_rows(l), l.cout, l.weight.value, l.weight.ld, l.weight_steps, l.weight_bits,
                         w);
    s.used_weight = w;
    s.used_ld = l.cout;
  }
  float* z = s.z.get(elements(rows_out(l, batch), l.cout));
  const ConvShape shape = shape_of(l, batch);
  switch (l.kind) {
    case Kind::dense: {
      const int taps = l.kernel * l.kernel * l.cin;
      float* columns = s.columns.get(elements(shape.rows_out(), taps));
      im2col(shape, s.input, 0, columns);
      pointwise_forward(shape.rows_out(), taps, l.cout, columns, s.used_weight, s.used_ld, z);
      break;
    }
    case Kind::depthwise:
      depthwise_forward(shape, s.input, s.used_weight, s.used_ld, z);
      break;
    case Kind::pointwise:
    case Kind::linear:
      APQ_ASSERT(l.stride == 1);
      pointwise_forward(rows_out(l, batch), l.cin, l.cout, s.input, s.used_weight, s.used_ld, z);
      break;
  }
}

/// Fills scale and shift of the affine map after the convolution.
void Executor::Impl::normalise(const Layer& l, LayerState& s, int batch, Mode mode, const Network& net) {
  const auto n = static_cast<std::size_t>(l.cout);
  s.shift.assign(l.beta.value, l.beta.value + l.cout);
  if (!l.gamma.value) return;
  s.mean.resize(n);
  s.variance.resize(n);
  s.inv_std.resize(n);
  s.scale.resize(n);
  if (mode == Mode::evaluate) {
    std::copy(l.mean, l.mean + n, s.mean.begin());
    std::copy(l.variance, l.variance + n, s.variance.begin());
  } else {
    batch_statistics(rows_out(l, batch), l.cout, s.z.data(), s.mean.data(), s.variance.data());
  }
  if (mode == Mode::statistics)
    for (std::size_t c = 0; c < n; ++c) {
      s.mean_sum[c] += static_cast<double>(s.mean[c]);
      s.variance_sum[c] += static_cast<double>(s.variance[c]);
    }
  for (std::size_t c = 0; c < n; ++c) {
    s.inv_std[c] = 1.0f / std::sqrt(s.variance[c] + net.epsilon);
    s.scale[c] = l.gamma.value[c] * s.inv_std[c];
    s.shift[c] -= s.mean[c] * s.scale[c];
  }
}

const float* Executor::Impl::forward(const Network& net, const float* x, int batch, Mode mode) {
  if (states.size() < net.layers.size()) states.resize(net.layers.size());
  this->batch = batch;
  const float* flow = x;
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    const Layer& l = net.layers[i];
    LayerState& s = states[i];
    if (l.kind == Kind::linear && i > 0 && net.layers[i - 1].kind != Kind::linear) {
      float* pooled = s.pooled.get(elements(batch, l.cin));
      average_pool_forward(batch, pixels_out(net.layers[i - 1]), l.cin, flow, pooled);
      flow = pooled;
    }
    s.raw_input = s.input = flow;
    s.fused_quantizer = i > 0 && l.input_quantizer.bits > 0 && fuses_next(net, i - 1);
    if (observer) observer(static_cast<int>(i), flow, rows_in(l, batch), l.cin);
    if (l.input_quantizer.bits > 0 && !s.fused_quantizer) {
      const auto n = elements(rows_in(l, batch), l.cin);
      float* quantized = s.quantized.get(n);
      const auto& q = l.input_quantizer;
      fake_quantize(static_cast<std::int64_t>(n), flow, *q.alpha.value, step_of(q), q.is_signed, quantized);
      s.input = quantized;
    }
    convolve(l, s, batch);
    normalise(l, s, batch, mode, net);

    float high = l.relu6 ? kRelu6 : -1.0f, step = 0;
    if (fuses_next(net, i)) {
      const auto& q = net.layers[i + 1].input_quantizer;
      high = *q.alpha.value;
      step = step_of(q);
    }
    const float* residual =
        l.residual_from >= 0 ? states[static_cast<std::size_t>(l.residual_from)].raw_input : nullptr;
    // Only training reads the convolution result again; otherwise the activation overwrites it in place.
    float* y = mode == Mode::train ? s.y.get(elements(rows_out(l, batch), l.cout)) : s.z.data();
    affine_activate(rows_out(l, batch), l.cout, s.z.data(), l.gamma.value ? s.scale.data() : nullptr,
                    s.shift.data(), high, step, residual, y);
    flow = y;
  }
  return flow;
}

void Executor::Impl::convolve_backward(const Layer& l, LayerState& s, int batch, const float* dz, float* dx) {
  const ConvShape shape = shape_of(l, batch);
  switch (l.kind) {
    case Kind::dense: {
      APQ_ASSERT(dx == nullptr);
      const int taps = l.kernel * l.kernel * l.cin;
      if (l.weight.grad)
        pointwise_backward_weights(shape.rows_out(), taps, l.cout, s.columns.data(), dz, l.weight.grad,
                                   l.weight.ld);
      break;
    }
    case Kind::depthwise:
      if (l.weight.grad) depthwise_backward_weights(shape, s.input, dz, l.weight.grad, l.weight.ld);
      if (dx) depthwise_backward_data(shape, dz, s.used_weight, s.used_ld, dx);
      break;
    case Kind::pointwise:
    case Kind::linear:
      if (l.weight.grad)
        pointwise_backward_weights(rows_out(l, batch), l.cin, l.cout, s.input, dz, l.weight.grad,
                                   l.weight.ld);
      if (dx) pointwise_backward_data(rows_out(l, batch), l.cin, l.cout, dz, s.used_weight, s.used_ld, dx);
      break;
  }
}

void Executor::Impl::backward(const Network& net, const float* dlogits, int batch) {
  const float* dy = dlogits;
  std::size_t turn = 0;
  for (std::size_t i = net.layers.size(); i-- > 0;) {
    const Layer& l = net.layers[i];
    LayerState& s = states[i];
    const std::int64_t rows = rows_out(l, batch);
    const auto n = elements(rows, l.cout);
    if (l.residual_from >= 0) {
      float* spread = states[static_cast<std::size_t>(l.residual_from)].spread.get(n);
      std::copy(dy, dy + n, spread);
    }

    float* dz = gradients[turn++ % 3].get(n);
    float high = l.relu6 ? kRelu6 : -1.0f;
    const InputQuantizer* fused = fuses_next(net, i) ? &net.layers[i + 1].input_quantizer : nullptr;
    if (fused) high = *fused->alpha.value;
    if (l.gamma.value) {
      std::vector<float> sum(static_cast<std::size_t>(l.cout)), sum_xhat(sum.size());
      normalise_backward_sums(rows, l.cout, s.z.data(), dy, s.mean.data(), s.inv_std.data(), s.scale.data(),
                              s.shift.data(), high, sum.data(), sum_xhat.data());
      normalise_backward(rows, l.cout, s.z.data(), dy, s.mean.data(), s.inv_std.data(), s.scale.data(),
                         s.shift.data(), high, sum.data(), sum_xhat.data(), dz);
      for (int c = 0; c < l.cout; ++c) {
        if (l.gamma.grad) l.gamma.grad[c] += sum_xhat[static_cast<std::size_t>(c)];
        if (l.beta.grad) l.beta.grad[c] += sum[static_cast<std::size_t>(c)];
      }
    } else {
      const double clipped =
          activate_backward(rows, l.cout, s.z.data(), nullptr, s.shift.data(), high, dy, dz, l.beta.grad);
      if (fused && fused->alpha.grad) *fused->alpha.grad += static_cast<float>(clipped);
    }

    const auto n_in = elements(rows_in(l, batch), l.cin);
    float* dx = i > 0 ? gradients[turn++ % 3].get(n_in) : nullptr;
    convolve_backward(l, s, batch, dz, dx);
    if (!dx) break;
    if (l.input_quantizer.bits > 0 && !s.fused_quantizer) {
      const auto& q = l.input_quantizer;
      const double d = fake_quantize_backward(static_cast<std::int64_t>(n_in), s.raw_input, *q.alpha.value,
                                              q.is_signed, dx, dx);
      if (q.alpha.grad) *q.alpha.grad += static_cast<float>(d);
    }
    for (std::size_t j = i; j < net.layers.size(); ++j)
      if (net.layers[j].residual_from == static_cast<int>(i))
        add(static_cast<std::int64_t>(n_in), s.spread.data(), dx);
    dy = dx;
    if (l.kind == Kind::linear && net.layers[i - 1].kind != Kind::linear) {
      const int pixels = pixels_out(net.layers[i - 1]);
      float* unpooled = gradients[turn++ % 3].get(elements(batch, l.cin) * static_cast<std::size_t>(pixels));
      average_pool_backward(batch, pixels, l.cin, dy, unpooled);
      dy = unpooled;
    }
  }
}

Executor::Executor() : impl_(std::make_unique<Impl>()) {}
Executor::~Executor() = default;

const float* Executor::forward(const Network& network, const float* x, int batch, Mode mode) {
  APQ_ASSERT(!network.layers.empty() && batch > 0);
  if (mode == Mode::statistics) ++impl_->statistics_batches;
  return impl_->forward(network, x, batch, mode);
}

void Executor::backward(const Network& network, const float* x, const float* dlogits) {
  APQ_ASSERT(impl_->states.size() >= network.layers.size() && impl_->states[0].raw_input == x);
  impl_->backward(network, dlogits, impl_->batch);
}

void Executor::begin_statistics(const Network& network) {
  if (impl_->states.size() < network.layers.size()) impl_->states.resize(network.layers.size());
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const auto n = static_cast<std::size_t>(network.layers[i].cout);
    impl_->states[i].mean_sum.assign(n, 0.0);
    impl_->states[i].variance_sum.assign(n, 0.0);
  }
  impl_->statistics_batches = 0;
}

void Executor::end_statistics(const Network& network) {
  APQ_ASSERT(impl_->statistics_batches > 0);
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& l = network.layers[i];
    if (!l.gamma.value) continue;
    for (int c = 0; c < l.cout; ++c) {
      const auto k = static_cast<std::size_t>(c);
      l.mean[c] =
          static_cast<float>(impl_->states[i].mean_sum[k] / static_cast<double>(impl_->statistics_batches));
      l.variance[c] = static_cast<float>(impl_->states[i].variance_sum[k] /
                                         static_cast<double>(impl_->statistics_batches));
    }
  }
}

void Executor::set_observer(Observer observer) { impl_->observer = std::move(observer); }

}  // namespace apq::nn
