// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "predictor/training.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apq/core/error.hpp"
#include "apq/core/random.hpp"
#include "apq/core/watchdog.hpp"

namespace apq::predictor {
namespace {

Inputs inputs_of(const Samples& samples, std::span<const std::uint32_t> which) {
  Inputs inputs;
  for (const std::uint32_t i : which) inputs.add(samples.slots[i]);
  return inputs;
}

/// Calls visit(samples) for every `batch` of them in turn.
template <class Visit>
void for_each_batch(std::span<const std::uint32_t> order, std::size_t batch, Visit&& visit) {
  for (std::size_t begin = 0; begin < order.size(); begin += batch)
    visit(order.subspan(begin, std::min(batch, order.size() - begin)));
}

}  // namespace

void Adam::step(std::span<const Group> groups, std::span<float> parameters,
                std::span<const float> gradients) {
  constexpr float kFirst = 0.9f, kSecond = 0.999f, kTiny = 1e-8f;
  ++steps_;
  const double correction = std::sqrt(1 - std::pow(kSecond, steps_)) / (1 - std::pow(kFirst, steps_));
  const auto decay = static_cast<float>(weight_decay_);
  for (const Group& group : groups) {
    const auto rate = static_cast<float>(group.rate * correction);
    for (std::size_t i = group.begin; i < group.end; ++i) {
      const float gradient = gradients[i] + decay * parameters[i];
      first_[i] = kFirst * first_[i] + (1 - kFirst) * gradient;
      second_[i] = kSecond * second_[i] + (1 - kSecond) * gradient * gradient;
      parameters[i] -= rate * first_[i] / (std::sqrt(second_[i]) + kTiny);
    }
  }
}

double loss(const Shape& shape, std::span<const float> parameters, const Samples& samples) {
  std::vector<std::uint32_t> order(samples.size());
  std::iota(order.begin(), order.end(), 0u);
  Perceptron perceptron(shape);
  double sum = 0;
  for_each_batch(order, 256, [&](std::span<const std::uint32_t> batch) {
    const auto output = perceptron.forward(parameters, inputs_of(samples, batch));
    for (std::size_t i = 0; i < batch.size(); ++i)
      sum += std::pow(static_cast<double>(output[i]) - samples.targets[batch[i]], 2);
  });
  return sum / static_cast<double>(samples.size());
}

int train(const Shape& shape, const PredictorOptions& options, std::uint64_t seed, int member,
          std::span<const Group> groups, const Samples& training, const Samples& held_out,
          std::vector<float>& parameters) {
  Perceptron perceptron(shape);
  Adam adam(shape.size(), options.weight_decay);
  std::vector<float> gradients(shape.size()), d_output;
  std::vector<float> best = parameters;
  double best_loss = loss(shape, parameters, held_out);
  int best_epoch = 0;
  for (int epoch = 1; epoch <= options.epochs && epoch - best_epoch <= options.patience; ++epoch) {
    const auto order = RandomStream(seed, Purpose::predictor_shuffle, static_cast<std::uint64_t>(epoch),
                                    static_cast<std::uint64_t>(member))
                           .permutation(training.size());
    for_each_batch(order, static_cast<std::size_t>(options.batch), [&](std::span<const std::uint32_t> batch) {
      const Inputs inputs = inputs_of(training, batch);
      const auto output = perceptron.forward(parameters, inputs);
      d_output.resize(batch.size());
      for (std::size_t i = 0; i < batch.size(); ++i)
        d_output[i] = 2 * (output[i] - training.targets[batch[i]]) / static_cast<float>(batch.size());
      std::ranges::fill(gradients, 0.0f);
      perceptron.backward(parameters, inputs, d_output, gradients);
      adam.step(groups, parameters, gradients);
    });
    const double now = loss(shape, parameters, held_out);
    heartbeat();
    validate(std::isfinite(now), ErrorKind::numeric,
             "the predictor diverged (its loss is {} after epoch {}) lower its learning_rate = {}", now,
             epoch, options.learning_rate);
    if (now >= best_loss) continue;
    best_loss = now;
    best_epoch = epoch;
    best = parameters;
  }
  parameters = std::move(best);
  return best_epoch;
}

}  // namespace apq::predictor
