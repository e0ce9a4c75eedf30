// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/float_network.hpp"

#include <algorithm>

#include "apq/core/progress.hpp"
#include "apq/nn/ops.hpp"
#include "nn/kernels/float_kernels.hpp"
#include "nn/parallel.hpp"

namespace apq::nn {
namespace {

/// Images that share one reading of the weights, and floats of their input and output together.
constexpr int kGroup = 8;
constexpr std::int64_t kGroupFloats = std::int64_t{3} << 16;

bool is_bottleneck(const Network& net, std::size_t i) {
  if (i + 2 >= net.layers.size()) return false;
  const Layer &expand = net.layers[i], &depthwise = net.layers[i + 1], &project = net.layers[i + 2];
  const int k = depthwise.kernel;
  return expand.kind == Kind::pointwise && depthwise.kind == Kind::depthwise &&
         project.kind == Kind::pointwise && (k == 3 || k == 5 || k == 7) && depthwise.stride <= 2 &&
         expand.residual_from < 0 && depthwise.residual_from < 0 &&
         (project.residual_from < 0 ||
          (project.residual_from == static_cast<int>(i) && depthwise.stride == 1 && !project.relu6));
}

/// Layers of the step that begins with layer i; 0: it is none.
std::size_t step_layers(const Network& net, std::size_t i) {
  if (is_bottleneck(net, i)) return 3;
  const Layer& l = net.layers[i];
  const bool last = i + 1 == net.layers.size();
  const bool known = (l.kind == Kind::dense && i == 0) || (l.kind == Kind::pointwise && i > 0) ||
                     (l.kind == Kind::linear && last && i > 0);
  return known && l.residual_from < 0 && last == (l.kind == Kind::linear) ? 1 : 0;
}

}  // namespace

bool FloatNetwork::supports(const Network& net) {
  if (std::any_of(net.layers.begin(), net.layers.end(),
                  [](const Layer& l) { return l.input_quantizer.bits > 0 || l.weight_bits > 0; }))
    return false;
  for (std::size_t i = 0; i < net.layers.size();) {
    const std::size_t layers = step_layers(net, i);
    if (layers == 0) return false;
    i += layers;
  }
  return true;
}

void FloatNetwork::prepare(const Network& net, int images) {
  steps_.clear();
  const float epsilon = net.epsilon;
  for (std::size_t i = 0; i < net.layers.size(); i += step_layers(net, i)) {
    const Layer* l = &net.layers[i];
    steps_.push_back(is_bottleneck(net, i)    ? bottleneck_step(l[0], l[1], l[2], epsilon)
                     : l->kind == Kind::dense ? dense_step(*l, epsilon)
                                              : product_step(*l, epsilon));
  }
  const Layer& head = net.layers[net.layers.size() - 2];
  channels_ = head.cout;
  pixels_ = steps_[steps_.size() - 2]->elements_out() / channels_;

  group_ = std::min(kGroup, images);
  gathering_ = steps_.size() - 1;
  while (gathering_ > 1) {
    const FloatStep& before = *steps_[gathering_ - 1];
    if (group_ * (before.elements_in() + before.elements_out()) > kGroupFloats) break;
    --gathering_;
  }

  std::int64_t floats = 0;
  for (const auto& step : steps_) floats += step->weights();
  float* memory = weights_.get(static_cast<std::size_t>(floats));
  for (const auto& step : steps_) {
    step->pack(memory);
    memory += step->weights();
  }
}

void FloatNetwork::reserve(Workspace& w) const {
  std::int64_t scratch = 0, activations = 0;
  for (std::size_t i = 0; i + 1 < steps_.size(); ++i) {
    const FloatStep& step = *steps_[i];
    scratch = std::max(scratch, step.scratch());
    activations = std::max(activations, step.elements_out() * (i < gathering_ ? 1 : group_));
  }
  for (auto& a : w.activations) a.get(static_cast<std::size_t>(activations));
  w.gathered.get(static_cast<std::size_t>(group_ * steps_[gathering_ - 1]->elements_out()));
  w.pooled.get(static_cast<std::size_t>(group_ * channels_));
  w.scratch.get(static_cast<std::size_t>(scratch));
}

void FloatNetwork::run(const Network& net, const float* x, int batch, float* logits, Profile* profile) {
  const int wanted = threads();
  const bool together = wanted > 1 && batch < wanted;
  const std::int64_t image = std::int64_t{net.input_size} * net.input_size * net.input_channels;
  const Timer preparing;
  prepare(net, together ? batch : (batch + wanted - 1) / wanted);
  if (profile) profile->folding += preparing.seconds();
  if (static_cast<int>(workspaces_.size()) < wanted) workspaces_.resize(static_cast<std::size_t>(wanted));

  for (Workspace& w : workspaces_) reserve(w);
  const auto walk = [&](int part, const Share& share, Range images) {
    Workspace& own = workspaces_[static_cast<std::size_t>(part)];
    own.profile = {};
    Laps laps(profile ? own.profile.seconds : nullptr);
    for (std::int64_t first = images.begin; first < images.end; first += group_)
      forward(together ? workspaces_[0] : own, share, x + first * image,
              static_cast<int>(std::min<std::int64_t>(group_, images.end - first)),
              logits + first * net.layers.back().cout, own.scratch.data(), laps);
  };
#pragma omp parallel num_threads(wanted)
  {
    // The runtime may grant fewer threads than asked for.
    const int thread = omp_get_thread_num(), granted = omp_get_num_threads();
    if (together)
      walk(thread, {thread, granted}, {0, batch});
    else
      for (int part = thread; part < wanted; part += granted)
        walk(part, {0, 1}, part_of(batch, part, wanted));
  }
  for (std::size_t k = 0; profile && k < std::size(profile->seconds); ++k)
    for (int part = 0; part < wanted; ++part)
      profile->seconds[k] += workspaces_[static_cast<std::size_t>(part)].profile.seconds[k] / wanted;
}

void FloatNetwork::forward(Workspace& w, const Share& share, const float* x, int images, float* logits,
                           float* scratch, Laps& laps) const {
  std::size_t turn = 0;
  /// Steps `begin` to `end` of some images; the last writes to `out`.
  const auto pass = [&](std::size_t begin, std::size_t end, const float* in, int n, float* out) {
    for (std::size_t i = begin; i < end; ++i) {
      float* to = i + 1 == end ? out : w.activations[turn++ % 2].data();
      steps_[i]->run(in, to, n, share.of(steps_[i]->lines()), scratch, laps);
      share.wait();
      in = to;
    }
  };
  float* gathered = w.gathered.data();
  for (std::int64_t n = 0; n < images; ++n)
    pass(0, gathering_, x + n * steps_[0]->elements_in(), 1,
         gathered + n * steps_[gathering_ - 1]->elements_out());
  const std::size_t last = steps_.size() - 1;
  const float* features = gathered;
  if (gathering_ < last) {
    float* out = w.activations[(last - gathering_ - 1) % 2].data();
    turn = 0;
    pass(gathering_, last, gathered, images, out);
    features = out;
  }
  if (share.part == 0) classify(w, features, images, logits, laps);
  share.wait();
}

void FloatNetwork::classify(Workspace& w, const float* features, int images, float* logits,
                            Laps& laps) const {
  const float inverse = 1.0f / static_cast<float>(pixels_);
  float* pooled = w.pooled.data();
  for (std::int64_t n = 0; n < images; ++n) {
    float* mean = pooled + n * channels_;
    std::fill_n(mean, channels_, 0.0f);
    for (std::int64_t p = 0; p < pixels_; ++p)
      kernels::float_kernels().add(channels_, features + (n * pixels_ + p) * channels_, mean);
    for (int c = 0; c < channels_; ++c) mean[c] *= inverse;
  }
  steps_.back()->run(pooled, logits, 1, {0, images}, nullptr, laps);
}

}  // namespace apq::nn
