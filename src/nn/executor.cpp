// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "apq/nn/network.hpp"
#include "apq/nn/ops.hpp"
#include "nn/float_network.hpp"
#include "nn/passes.hpp"
#include "nn/stored_ops.hpp"

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

/// What one layer keeps between forward and backward. Tensors are stored as T.
template <class T>
struct LayerState {
  Scratch<T> z;           ///< convolution result
  Scratch<T> y;           ///< its activation, where it is stored
  Scratch<T> quantized;   ///< quantized input, where not fused into the previous activation
  Scratch<T> pooled;      ///< pooled input of the linear layer
  Scratch<float> weight;  ///< fake-quantized weight
  PackedWeights packed;   ///< the weight, for all slices of an evaluation
  Scratch<T> spread;      ///< gradient with respect to the output, kept for the residual path
  std::vector<float> mean, variance, inv_std, scale, shift, sum, sum_xhat;
  std::vector<double> mean_sum, variance_sum;
  const T* raw_input = nullptr;  ///< stored input before its quantizer; null where it is not stored
  InputOf<T> input;              ///< what the convolution read
  Activation activation;         ///< of z
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
  virtual ~Impl() = default;
  virtual const float* forward(const Network& net, const float* x, int batch, Mode mode) = 0;
  virtual void backward(const Network& net, const float* x, const float* dlogits) = 0;
  virtual void begin_statistics(const Network& net) = 0;
  virtual void end_statistics(const Network& net) = 0;

  Observer observer;
  Profile* profile = nullptr;
};

namespace {

/// The executor of tensors stored as T. Quantizers and observers are for floats.
template <class T>
struct Engine : Executor::Impl {
  using State = LayerState<T>;

  std::vector<State> states;
  std::vector<Scratch<T>> gradients{3};
  Scratch<T> images, dlogits_stored;
  Scratch<float> logits_read;
  std::vector<float> logits;
  FloatNetwork fused;
  std::int64_t statistics_batches = 0;
  const float* x = nullptr;
  int batch = 0;

  const float* forward(const Network& net, const float* x, int batch, Mode mode) override;
  void backward(const Network& net, const float* x, const float* dlogits) override;
  void begin_statistics(const Network& net) override;
  void end_statistics(const Network& net) override;

 private:
  bool stored(const Network& net, std::size_t i) const;
  const InputQuantizer* fused_quantizer(const Network& net, std::size_t i) const;
  const float* run(const Network& net, const float* x, int batch, Mode mode);
  const float* evaluate(const Network& net, const float* x, int batch);
  void prepare_input(const Network& net, std::size_t i, const T* flow, int batch);
  void quantize_weight(const Layer& l, State& s);
  void normalise(const Layer& l, State& s, Mode mode, float epsilon);
  OutputGradientOf<T> gradient_of(const Layer& l, State& s, int batch, const T* dy);
};

/// Whether somebody needs the activation of layer i as numbers in memory; otherwise only the next layer reads
/// it, and makes it from z.
template <class T>
bool Engine<T>::stored(const Network& net, std::size_t i) const {
  if (observer || i + 1 >= net.layers.size() || !net.layers[i].relu6) return true;
  const Layer& next = net.layers[i + 1];
  if (next.kind == Kind::linear || (next.input_quantizer.bits > 0 && next.input_quantizer.is_signed))
    return true;
  return std::any_of(net.layers.begin(), net.layers.end(),
                     [&](const Layer& l) { return l.residual_from == static_cast<int>(i) + 1; });
}

/// The quantizer of the next layer's input, where it rounds in this layer's activation.
template <class T>
const InputQuantizer* Engine<T>::fused_quantizer(const Network& net, std::size_t i) const {
  if (stored(net, i) || net.layers[i + 1].input_quantizer.bits == 0) return nullptr;
  return &net.layers[i + 1].input_quantizer;
}

template <class T>
void Engine<T>::prepare_input(const Network& net, std::size_t i, const T* flow, int batch) {
  const Layer& l = net.layers[i];
  State& s = states[i];
  s.raw_input = nullptr;
  if (i > 0 && !stored(net, i - 1)) {
    s.input = {states[i - 1].z.data(), states[i - 1].activation};
    return;
  }
  if (l.kind == Kind::linear && i > 0 && net.layers[i - 1].kind != Kind::linear) {
    T* pooled = s.pooled.get(elements(batch, l.cin));
    average_pool_forward(batch, pixels_out(net.layers[i - 1]), l.cin, flow, pooled);
    flow = pooled;
  }
  s.raw_input = flow;
  s.input = {flow, {}};
  const auto& q = l.input_quantizer;
  if constexpr (std::is_same_v<T, float>) {
    if (observer) observer(static_cast<int>(i), flow, rows_in(l, batch), l.cin);
    if (q.bits == 0) return;
    const auto n = elements(rows_in(l, batch), l.cin);
    float* quantized = s.quantized.get(n);
    fake_quantize(static_cast<std::int64_t>(n), flow, *q.alpha.value, step_of(q), q.is_signed, quantized);
    s.input.z = quantized;
  } else {
    APQ_ASSERT(!observer && q.bits == 0);
  }
}

template <class T>
void Engine<T>::quantize_weight(const Layer& l, State& s) {
  s.used_weight = l.weight.value;
  s.used_ld = l.weight.ld;
  if (l.weight_bits == 0) return;
  float* w = s.weight.get(static_cast<std::size_t>(weight_rows(l)) * l.cout);
  fake_quantize_weight(weight_rows(l), l.cout, l.weight.value, l.weight.ld, l.weight_steps, l.weight_bits, w);
  s.used_weight = w;
  s.used_ld = l.cout;
}

/// Fills scale and shift of the affine map after the convolution, from mean and variance.
template <class T>
void Engine<T>::normalise(const Layer& l, State& s, Mode mode, float epsilon) {
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

template <class T>
const float* Engine<T>::run(const Network& net, const float* x, int batch, Mode mode) {
  this->x = x;
  this->batch = batch;
  const T* flow = stored_as(elements(rows_in(net.layers[0], batch), net.input_channels), x, images);
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    const Layer& l = net.layers[i];
    State& s = states[i];
    prepare_input(net, i, flow, batch);
    quantize_weight(l, s);
    T* z = s.z.get(elements(rows_out(l, batch), l.cout));
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
    const T* residual =
        l.residual_from >= 0 ? states[static_cast<std::size_t>(l.residual_from)].raw_input : nullptr;
    // Only training reads the convolution result again; otherwise the activation overwrites it in place.
    T* y = mode == Mode::train ? s.y.get(elements(rows_out(l, batch), l.cout)) : z;
    affine_activate(rows_out(l, batch), l.cout, z, s.activation.scale, s.activation.shift, s.activation.high,
                    0, residual, y);
    flow = y;
  }
  return stored_as(elements(batch, net.layers.back().cout), flow, logits_read);
}

/// All layers of a few images at a time, where the network allows it; else in slices of images whose largest
/// feature map stays in the cores' caches.
template <class T>
const float* Engine<T>::evaluate(const Network& net, const float* x, int batch) {
  if constexpr (std::is_same_v<T, float>)
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
  if (observer || slice >= batch) return run(net, x, batch, Mode::evaluate);
  const std::int64_t image = std::int64_t{net.input_size} * net.input_size * net.input_channels;
  const int classes = net.layers.back().cout;
  logits.resize(elements(batch, classes));
  for (int first = 0; first < batch; first += slice) {
    const int n = std::min(slice, batch - first);
    std::copy_n(run(net, x + first * image, n, Mode::evaluate), std::int64_t{n} * classes,
                logits.begin() + std::int64_t{first} * classes);
  }
  return logits.data();
}

/// How the backward pass makes dz from dy; adds the gradients of gamma and beta that are known before.
template <class T>
OutputGradientOf<T> Engine<T>::gradient_of(const Layer& l, State& s, int batch, const T* dy) {
  OutputGradientOf<T> g(dy);
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

template <class T>
void Engine<T>::backward(const Network& net, const float* x, const float* dlogits) {
  APQ_ASSERT(states.size() >= net.layers.size() && this->x == x);
  const T* dy = stored_as(elements(batch, net.layers.back().cout), dlogits, dlogits_stored);
  std::size_t turn = 0;
  for (std::size_t i = net.layers.size(); i-- > 0;) {
    const Layer& l = net.layers[i];
    State& s = states[i];
    if (l.residual_from >= 0) {
      const auto n = elements(rows_out(l, batch), l.cout);
      std::copy(dy, dy + n, states[static_cast<std::size_t>(l.residual_from)].spread.get(n));
    }

    double clipped = 0;
    OutputGradientOf<T> gradient = gradient_of(l, s, batch, dy);
    gradient.clipped = &clipped;
    const auto n_in = elements(rows_in(l, batch), l.cin);
    T* dx = i > 0 ? gradients[turn++ % gradients.size()].get(n_in) : nullptr;
    InputSums sums;
    if (i > 0 && !stored(net, i - 1) && net.layers[i - 1].gamma.value) {
      State& before = states[i - 1];
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

    if constexpr (std::is_same_v<T, float>)
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
      T* unpooled = gradients[turn++ % gradients.size()].get(n_in * static_cast<std::size_t>(pixels));
      average_pool_backward(batch, pixels, l.cin, dy, unpooled);
      dy = unpooled;
    }
  }
}

template <class T>
const float* Engine<T>::forward(const Network& net, const float* x, int batch, Mode mode) {
  if (states.size() < net.layers.size()) states.resize(net.layers.size());
  if (mode == Mode::statistics) ++statistics_batches;
  return mode == Mode::evaluate ? evaluate(net, x, batch) : run(net, x, batch, mode);
}

template <class T>
void Engine<T>::begin_statistics(const Network& net) {
  if (states.size() < net.layers.size()) states.resize(net.layers.size());
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    const auto n = static_cast<std::size_t>(net.layers[i].cout);
    states[i].mean_sum.assign(n, 0.0);
    states[i].variance_sum.assign(n, 0.0);
  }
  statistics_batches = 0;
}

template <class T>
void Engine<T>::end_statistics(const Network& net) {
  APQ_ASSERT(statistics_batches > 0);
  const auto batches = static_cast<double>(statistics_batches);
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    const Layer& l = net.layers[i];
    if (!l.gamma.value) continue;
    for (int c = 0; c < l.cout; ++c) {
      const auto k = static_cast<std::size_t>(c);
      l.mean[c] = static_cast<float>(states[i].mean_sum[k] / batches);
      l.variance[c] = static_cast<float>(states[i].variance_sum[k] / batches);
    }
  }
}

}  // namespace

Executor::Executor(Storage storage) {
  if (storage == Storage::bf16)
    impl_ = std::make_unique<Engine<Bf16>>();
  else
    impl_ = std::make_unique<Engine<float>>();
}
Executor::~Executor() = default;

const float* Executor::forward(const Network& network, const float* x, int batch, Mode mode) {
  APQ_ASSERT(!network.layers.empty() && batch > 0);
  return impl_->forward(network, x, batch, mode);
}

void Executor::backward(const Network& network, const float* x, const float* dlogits) {
  impl_->backward(network, x, dlogits);
}

void Executor::begin_statistics(const Network& network) { impl_->begin_statistics(network); }
void Executor::end_statistics(const Network& network) { impl_->end_statistics(network); }
void Executor::set_observer(Observer observer) { impl_->observer = std::move(observer); }
void Executor::set_profile(Profile* profile) { impl_->profile = profile; }

}  // namespace apq::nn
