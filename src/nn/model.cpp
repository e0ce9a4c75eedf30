// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <cmath>

#include "apq/core/error.hpp"
#include "apq/nn/network.hpp"

namespace apq::nn {

namespace {

std::size_t weight_rows(const Layer& l) {
  const auto taps = static_cast<std::size_t>(l.kernel) * static_cast<std::size_t>(l.kernel);
  return l.kind == Kind::depthwise ? taps : taps * static_cast<std::size_t>(l.cin);
}

/// Lays out a Model for the layers of `network`: weights (decayed) first, then per layer gamma (unless
/// folding), beta and alpha.
Model lay_out(const Network& network, bool fold) {
  Model m;
  m.network = network;
  std::size_t values = 0, statistics = 0, steps = 0;
  for (const Layer& l : network.layers) values += weight_rows(l) * static_cast<std::size_t>(l.cout);
  m.decayed = values;
  for (const Layer& l : network.layers) {
    const auto n = static_cast<std::size_t>(l.cout);
    const bool normalised = l.gamma.value && !fold;
    values += (normalised ? 2 : 1) * n + (l.input_quantizer.bits > 0 ? 1 : 0);
    statistics += normalised ? 2 * n : 0;
    steps += l.weight_bits > 0 ? n : 0;
  }
  m.values.resize(values);
  m.grads.assign(values, 0.0f);
  m.statistics.resize(statistics);
  m.weight_steps.resize(steps);

  std::size_t weight = 0, other = m.decayed, statistic = 0, step = 0;
  const auto take = [&](std::size_t& at, std::size_t n, int ld) {
    Param p{m.values.data() + at, m.grads.data() + at, ld};
    at += n;
    return p;
  };
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& from = network.layers[i];
    Layer& to = m.network.layers[i];
    const auto n = static_cast<std::size_t>(from.cout);
    to.weight = take(weight, weight_rows(from) * n, from.cout);
    to.gamma = from.gamma.value && !fold ? take(other, n, 0) : Param{};
    to.beta = take(other, n, 0);
    to.mean = to.variance = nullptr;
    if (to.gamma.value) {
      to.mean = m.statistics.data() + statistic;
      to.variance = to.mean + n;
      statistic += 2 * n;
    }
    if (from.input_quantizer.bits > 0) {
      to.input_quantizer.alpha = take(other, 1, 0);
      *to.input_quantizer.alpha.value = *from.input_quantizer.alpha.value;
    }
    if (from.weight_bits > 0) {
      std::copy(from.weight_steps, from.weight_steps + n,
                m.weight_steps.begin() + static_cast<std::ptrdiff_t>(step));
      to.weight_steps = m.weight_steps.data() + step;
      step += n;
    }
  }
  return m;
}

void copy_weight(const Layer& from, const Layer& to) {
  for (std::size_t r = 0; r < weight_rows(from); ++r)
    std::copy(from.weight.value + r * static_cast<std::size_t>(from.weight.ld),
              from.weight.value + r * static_cast<std::size_t>(from.weight.ld) + from.cout,
              to.weight.value + r * static_cast<std::size_t>(to.weight.ld));
}

}  // namespace

Model copy_model(const Network& network) {
  Model m = lay_out(network, false);
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& from = network.layers[i];
    const Layer& to = m.network.layers[i];
    copy_weight(from, to);
    std::copy(from.beta.value, from.beta.value + from.cout, to.beta.value);
    if (!from.gamma.value) continue;
    std::copy(from.gamma.value, from.gamma.value + from.cout, to.gamma.value);
    std::copy(from.mean, from.mean + from.cout, to.mean);
    std::copy(from.variance, from.variance + from.cout, to.variance);
  }
  return m;
}

Model fold_normalisation(const Network& network) {
  Model m = lay_out(network, true);
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& from = network.layers[i];
    const Layer& to = m.network.layers[i];
    copy_weight(from, to);
    for (int c = 0; c < from.cout; ++c) {
      to.beta.value[c] = from.beta.value[c];
      if (!from.gamma.value) continue;
      const float scale = from.gamma.value[c] / std::sqrt(from.variance[c] + network.epsilon);
      to.beta.value[c] -= from.mean[c] * scale;
      for (std::size_t r = 0; r < weight_rows(from); ++r)
        to.weight.value[r * static_cast<std::size_t>(to.weight.ld) + static_cast<std::size_t>(c)] *= scale;
    }
  }
  return m;
}

}  // namespace apq::nn
