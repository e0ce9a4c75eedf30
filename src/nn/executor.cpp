// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "apq/nn/network.hpp"
#include "apq/nn/ops.hpp"
#include "nn/float_network.hpp"
#include "nn/passes.hpp"

namespace apq::nn {

namespace {

constexpr float kRelu6 = 6.0f;

ConvShape shape_of(const Layer& l, int batch) {
  return {batch, l.kind == Kind::linear ? 1 : l.size, l.cin, l.cout, l.kernel, l.stride};
}
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
  Scratch<float> y;          ///< its activation, where it is stored
  Scratch<float> quantized;  ///< quantized input, where not fused into the previous activation
  Scratch<float> pooled;     ///< pooled input of the linear layer
  Scratch<float> weight;     ///< fake-quantized weight
  PackedWeights packed;      ///< the weight, for all slices of an evaluation
  Scratch<float> spread;     ///< gradient with respect to the output, kept for the residual path
  std::vector<float> mean, variance, inv_std, scale, shift, sum, sum_xhat;
  std::vector<double> mean_sum, variance_sum;
  const float* raw_input = nullptr;  ///< stored input before its quantizer; null where it is not stored
  Input input;                       ///< what the convolution read
  Activation activation;             ///< of z
  const float* used_weight = nullptr;
  int used_ld = 0;
  bool summed = false;  ///< the layer after has filled sum and sum_xhat
};

/// Adds the time of its life to a layer's kind.
class Stopwatch {
 public:
  Stopwatch(Profile* profile, Kind kind)
      : seconds_(profile ? profile->seconds + static_cast<int>(kind) : nullptr) {}
  ~Stopwatch() {
    if (seconds_) *seconds_ += timer_.seconds();
  }

 private:
  double* seconds_;
  Timer timer_;
};

struct Executor::Impl {
  std::vector<LayerState> states;
  std::vector<Scratch<float>> gradients{3};
  std::vector<float> logits;
  FloatNetwork fused;
  std::int64_t statistics_batches = 0;
  Observer observer;
  Profile* profile = nullptr;
  int batch = 0;

  bool stored(const Network& net, std::size_t i) const;
  const InputQuantizer* fused_quantizer(const Network& net, std::size_t i) const;
  const float* forward(const Network& net, const float* x, int batch, Mode mode);
  const float* evaluate(const Network& net, const float* x, int batch);
  void prepare_input(const Network& net, std::size_t i, const float* flow, int batch);
  void quantize_weight(const Layer& l, LayerState& s);
  void normalise(const Layer& l, LayerState& s, Mode mode, float epsilon);
  OutputGradient gradient_of(const Layer& l, LayerState& s, int batch, const float* dy);
  void backward(const Network& net, const float* dlogits, int batch);
};

/// Whether somebody needs the activation of layer i as numbers in memory; otherwise only the next layer reads
/// it, and makes it from z.
bool Executor::Impl::stored(const Network& net, std::size_t i) const {
  if (observer || i + 1 >= net.layers.size() || !net.layers[i].relu6) return true;
  const Layer& next = net.layers[i + 1];
  if (next.kind == Kind::linear || (next.input_quantizer.bits > 0 && next.input_quantizer.is_signed))
    return true;
  return std::any_of(net.layers.begin(), net.layers.end(),
                     [&](const Layer& l) { return l.residual_from == static_cast<int>(i) + 1; });
}

/// The quantizer of the next layer's input, where it rounds in this layer's activation.
const InputQuantizer* Executor::Impl::fused_quantizer(const Network& net, std::size_t i) const {
  if (stored(net, i) || net.layers[i + 1].input_quantizer.bits == 0) return nullptr;
  return &net.layers[i + 1].input_quantizer;
}

void Executor::Impl::prepare_input(const Network& net, std::size_t i, const float* flow, int batch) {
  const Layer& l = net.layers[i];
  LayerState& s = states[i];
  s.raw_input = nullptr;
  if (i > 0 && !stored(net, i - 1)) {
    s.input = {states[i - 1].z.data(), states[i - 1].activation};
    return;
  }
  if (l.kind == Kind::linear && i > 0 && net.layers[i - 1].kind != Kind::linear) {
    float* pooled = s.pooled.get(elements(batch, l.cin));
    average_pool_forward(batch, pixels_out(net.layers[i - 1]), l.cin, flow, pooled);
    flow = pooled;
  }
  s.raw_input = flow;
  s.input = {flow, {}};
  if (observer) observer(static_cast<int>(i), flow, rows_in(l, batch), l.cin);
  if (const auto& q = l.input_quantizer; q.bits > 0) {
    const auto n = elements(rows_in(l, batch), l.cin);
    float* quantized = s.quantized.get(n);
    fake_quantize(static_cast<std::int64_t>(n), flow, *q.alpha.value, step_of(q), q.is_signed, quantized);
    s.input.z = quantized;
  }
}

void Executor::Impl::quantize_weight(const Layer& l, LayerState& s) {
  s.used_weight = l.weight.value;
  s.used_ld = l.weight.ld;
  if (l.weight_bits == 0) return;
  float* w = s.weight.get(static_cast<std::size_t>(weight_rows(l)) * l.cout);
  fake_quantize_weight(weight_rows(l), l.cout, l.weight.value, l.weight.ld, l.weight_steps, l.weight_bits, w);
  s.used_weight = w;
  s.used_ld = l.cout;
}

/// Fills scale and shift of the affine map after the convolution, from mean and variance.
void Executor::Impl::normalise(const Layer& l, LayerState& s, Mode mode, float epsilon) {
  const auto n = static_cast<std::size_t>(l.cout);
  s.shift.assign(l.beta.value, l.beta.value + l.cout);
  if (!l.gamma.value) return;
  if (mode == Mode::evaluate) {
    std::copy(l.mean, l.mean + n, s.mean.begin());
    std::copy(l.variance, l.variance + n, s.variance.begin());
  }
  s.inv_std.resize(n);
  s.scale.resize(n);
  for (std::size_t c = 0; c < n; ++c) {
    if (mode == Mode::statistics) {
      s.mean_sum[c] += static_cast<double>(s.mean[c]);
      s.variance_sum[c] += static_cast<double>(s.variance[c]);
    }
    s.inv_std[c] = 1.0f / std::sqrt(s.variance[c] + epsilon);
    s.scale[c] = l.gamma.value[c] * s.inv_std[c];
    s.shift[c] -= s.mean[c] * s.scale[c];
  }
}

const float* Executor::Impl::forward(const Network& net, const float* x, int batch, Mode mode) {
  this->batch = batch;
  const float* flow = x;
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    const Layer& l = net.layers[i];
    LayerState& s = states[i];
    prepare_input(net, i, flow, batch);
    quantize_weight(l, s);
    float* z = s.z.get(elements(rows_out(l, batch), l.cout));
    if (l.gamma.value) {
      s.mean.resize(static_cast<std::size_t>(l.cout));
      s.variance.resize(static_cast<std::size_t>(l.cout));
    }
    const bool measured = l.gamma.value && mode != Mode::evaluate;
    if (const Stopwatch stopwatch(profile, l.kind); true)
      convolve(l.kind, shape_of(l, batch), s.input, s.used_weight, s.used_ld, z,
               measured ? Statistics{s.mean.data(), s.variance.data()} : Statistics{},
               mode == Mode::evaluate ? &s.packed : nullptr);
    normalise(l, s, mode, net.epsilon);

    s.activation = {l.gamma.value ? s.scale.data() : nullptr, s.shift.data(), l.relu6 ? kRelu6 : -1.0f, 0};
    if (const InputQuantizer* q = fused_quantizer(net, i)) {
      s.activation.high = *q->alpha.value;
      s.activation.step = step_of(*q);
    }
    if (!stored(net, i)) continue;
    const float* residual =
        l.residual_from >= 0 ? states[static_cast<std::size_t>(l.residual_from)].raw_input : nullptr;
    // Only training reads the convolution result again; otherwise the activation overwrites it in place.
    float* y = mode == Mode::train ? s.y.get(elements(rows_out(l, batch), l.cout)) : z;
    affine_activate(rows_out(l, batch), l.cout, z, s.activation.scale, s.activation.shift, s.activation.high,
                    0, residual, y);
    flow = y;
  }
  return flow;
}

/// All layers of a few images at a time, where the network allows it; else in slices of images whose largest
/// feature map stays in the cores' caches.
const float* Executor::Impl::evaluate(const Network& net, const float* x, int batch) {
  if (!observer && FloatNetwork::supports(net)) {
    logits.resize(elements(batch, net.layers.back().cout));
    fused.run(net, x, batch, logits.data(), profile);
    return logits.data();
  }
  std::int64_t largest = 1;
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    largest = std::max(largest, std::int64_t{pixels_out(net.layers[i])} * net.layers[i].cout);
    states[i].packed.ready = false;
  }
  constexpr std::int64_t kSliceFloats = std::int64_t{1} << 17;
  const int slice = static_cast<int>(std::max<std::int64_t>(threads(), threads() * kSliceFloats / largest));
  if (observer || slice >= batch) return forward(net, x, batch, Mode::evaluate);
  const std::int64_t image = std::int64_t{net.input_size} * net.input_size * net.input_channels;
  const int classes = net.layers.back().cout;
  logits.resize(elements(batch, classes));
  for (int first = 0; first < batch; first += slice) {
    const int n = std::min(slice, batch - first);
    std::copy_n(forward(net, x + first * image, n, Mode::evaluate), std::int64_t{n} * classes,
                logits.begin() + std::int64_t{first} * classes);
  }
  return logits.data();
}

/// How the backward pass makes dz from dy; adds the gradients of gamma and beta that are known before.
OutputGradient Executor::Impl::gradient_of(const Layer& l, LayerState& s, int batch, const float* dy) {
  OutputGradient g(dy);
  g.z = s.z.data();
  g.activation = s.activation;
  if (!l.gamma.value) {
    g.dshift = l.beta.grad;
    return g;
  }
  const auto n = static_cast<std::size_t>(l.cout);
  s.sum.resize(n);
  s.sum_xhat.resize(n);
  if (!s.summed)
    normalise_backward_sums(rows_out(l, batch), l.cout, g.z, dy, s.mean.data(), s.inv_std.data(),
                            s.scale.data(), s.shift.data(), s.activation.high, s.sum.data(),
                            s.sum_xhat.data());
  s.summed = false;
  const float inverse_rows = 1.0f / static_cast<float>(rows_out(l, batch));
  for (std::size_t c = 0; c < n; ++c) {
    if (l.gamma.grad) l.gamma.grad[c] += s.sum_xhat[c];
    if (l.beta.grad) l.beta.grad[c] += s.sum[c];
    s.sum[c] *= s.scale[c] * inverse_rows;
    s.sum_xhat[c] *= s.scale[c] * s.inv_std[c] * inverse_rows;
  }
  g.mean = s.mean.data();
  g.a = s.sum.data();
  g.b = s.sum_xhat.data();
  return g;
}

void Executor::Impl::backward(const Network& net, const float* dlogits, int batch) {
  const float* dy = dlogits;
  std::size_t turn = 0;
  for (std::size_t i = net.layers.size(); i-- > 0;) {
    const Layer& l = net.layers[i];
    LayerState& s = states[i];
    if (l.residual_from >= 0) {
      const auto n = elements(rows_out(l, batch), l.cout);
      std::copy(dy, dy + n, states[static_cast<std::size_t>(l.residual_from)].spread.get(n));
    }

    double clipped = 0;
    OutputGradient gradient = gradient_of(l, s, batch, dy);
    gradient.clipped = &clipped;
    const auto n_in = elements(rows_in(l, batch), l.cin);
    float* dx = i > 0 ? gradients[turn++ % gradients.size()].get(n_in) : nullptr;
    InputSums sums;
    if (i > 0 && !stored(net, i - 1) && net.layers[i - 1].gamma.value) {
      LayerState& before = states[i - 1];
      before.sum.resize(static_cast<std::size_t>(l.cin));
      before.sum_xhat.resize(static_cast<std::size_t>(l.cin));
      before.summed = true;
      sums = {before.mean.data(), before.inv_std.data(), before.sum.data(), before.sum_xhat.data()};
    }
    if (const Stopwatch stopwatch(profile, l.kind); true)
      convolve_backward(l.kind, shape_of(l, batch), s.input, s.used_weight, s.used_ld, gradient,
                        l.weight.grad, l.weight.ld, dx, sums);
    if (const InputQuantizer* q = fused_quantizer(net, i); q && q->alpha.grad)
      *q->alpha.grad += static_cast<float>(clipped);
    if (!dx) break;

    if (const auto& q = l.input_quantizer; q.bits > 0 && s.raw_input) {
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
      float* unpooled = gradients[turn++ % gradients.size()].get(n_in * static_cast<std::size_t>(pixels));
      average_pool_backward(batch, pixels, l.cin, dy, unpooled);
      dy = unpooled;
    }
  }
}

Executor::Executor() : impl_(std::make_unique<Impl>()) {}
Executor::~Executor() = default;

const float* Executor::forward(const Network& network, const float* x, int batch, Mode mode) {
  APQ_ASSERT(!network.layers.empty() && batch > 0);
  if (impl_->states.size() < network.layers.size()) impl_->states.resize(network.layers.size());
  if (mode == Mode::statistics) ++impl_->statistics_batches;
  return mode == Mode::evaluate ? impl_->evaluate(network, x, batch)
                                : impl_->forward(network, x, batch, mode);
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
void Executor::set_profile(Profile* profile) { impl_->profile = profile; }

}  // namespace apq::nn
