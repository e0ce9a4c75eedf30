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
      const float gradient = gradients[i] + decay * (parameters[i] - origin_[i]);
      first_[i] = kFirst * first_[i] + (1 - kFirst) * gradient;
      second_[i] = kSecond * second_[i] + (1 - kSecond) * gradient * gradient;
      parameters[i] -= rate * first_[i] / (std::sqrt(second_[i]) + kTiny);
    }
  }
}

void squared_error(std::span<const float> outputs, std::span<const float> targets, std::span<float> d_output,
                   Loss& loss) {
  loss.terms += static_cast<double>(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    loss.sum += std::pow(static_cast<double>(outputs[i]) - targets[i], 2);
    d_output[i] = 2 * (outputs[i] - targets[i]) / static_cast<float>(outputs.size());
  }
}

void ranking_loss(std::span<const float> outputs, std::span<const float> targets, std::span<float> d_output,
                  Loss& loss) {
  double ranked = 0;
  std::vector<double> gradient(outputs.size());
  for (std::size_t better = 0; better < outputs.size(); ++better)
    for (std::size_t worse = 0; worse < outputs.size(); ++worse) {
      if (!(targets[better] > targets[worse])) continue;
      const double margin = static_cast<double>(outputs[better]) - outputs[worse];
      loss.sum += std::max(-margin, 0.0) + std::log1p(std::exp(-std::abs(margin)));
      ranked += 1;
      const double push = 1 / (1 + std::exp(margin));
      gradient[better] -= push;
      gradient[worse] += push;
    }
  for (std::size_t i = 0; i < outputs.size(); ++i)
    d_output[i] = ranked > 0 ? static_cast<float>(gradient[i] / ranked) : 0;
  loss.terms += ranked;
}

namespace {

using LossFunction = void (*)(std::span<const float>, std::span<const float>, std::span<float>, Loss&);

std::vector<float> targets_of(const Samples& samples, std::span<const std::uint32_t> which) {
  std::vector<float> targets;
  for (const std::uint32_t i : which) targets.push_back(samples.targets[i]);
  return targets;
}

std::vector<std::uint32_t> all_of(const Samples& samples) {
  std::vector<std::uint32_t> order(samples.size());
  std::iota(order.begin(), order.end(), 0u);
  return order;
}

/// Mean over batches of neighbours.
double loss(Perceptron& perceptron, LossFunction function, std::span<const float> parameters,
            const Samples& samples) {
  constexpr std::size_t kBatch = 256;
  Loss total;
  std::vector<float> unused(kBatch);
  for_each_batch(all_of(samples), kBatch, [&](std::span<const std::uint32_t> batch) {
    function(perceptron.forward(parameters, inputs_of(samples, batch)), targets_of(samples, batch),
             std::span(unused).first(batch.size()), total);
  });
  return total.mean();
}

std::vector<float> outputs_of(const Shape& shape, const Samples& samples, std::span<const float> parameters) {
  Perceptron perceptron(shape);
  const auto outputs = perceptron.forward(parameters, inputs_of(samples, all_of(samples)));
  return {outputs.begin(), outputs.end()};
}

double mean_of(std::span<const float> numbers) {
  double sum = 0;
  for (const float number : numbers) sum += number;
  return sum / static_cast<double>(numbers.size());
}

/// Of the straight line from outputs to targets with the least squared error.
double best_slope(std::span<const float> outputs, std::span<const float> targets) {
  const double mean_x = mean_of(outputs), mean_y = mean_of(targets);
  double xx = 0, xy = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    xx += (outputs[i] - mean_x) * (outputs[i] - mean_x);
    xy += (outputs[i] - mean_x) * (targets[i] - mean_y);
  }
  return xx > 0 ? xy / xx : 0;
}

}  // namespace

void scale_output(const Shape& shape, double slope, const Samples& samples, std::vector<float>& parameters) {
  const double mean = mean_of(outputs_of(shape, samples, parameters));
  for (std::size_t i = 0; i < shape.hidden; ++i)
    parameters[shape.output() + i] = static_cast<float>(slope * parameters[shape.output() + i]);
  float& bias = parameters[shape.output_bias()];
  bias = static_cast<float>(mean_of(samples.targets) + slope * (bias - mean));
}

int train(const Shape& shape, const PredictorOptions& options, std::uint64_t seed, int member,
          std::span<const Group> groups, std::vector<float> origin, const Samples& training,
          const Samples& held_out, std::vector<float>& parameters) {
  const bool ranking = options.loss == "ranking";
  const LossFunction function = ranking ? ranking_loss : squared_error;
  Perceptron perceptron(shape);
  Adam adam(std::move(origin), options.weight_decay);
  std::vector<float> gradients(shape.size()), d_output;
  std::vector<float> best = parameters;
  double best_loss = loss(perceptron, function, parameters, held_out);
  int best_epoch = 0, frozen = 0;
  for (const Group& group : groups) frozen = std::max(frozen, group.frozen);
  for (int epoch = 1; epoch <= options.epochs && epoch - std::max(best_epoch, frozen) <= options.patience;
       ++epoch) {
    // Frozen weights keep their moments up to date, so that their first own step is of the usual size.
    std::vector<Group> now_learning(groups.begin(), groups.end());
    for (Group& group : now_learning)
      if (epoch <= group.frozen) group.rate = 0;
    const auto order = RandomStream(seed, Purpose::predictor_shuffle, static_cast<std::uint64_t>(epoch),
                                    static_cast<std::uint64_t>(member))
                           .permutation(training.size());
    for_each_batch(order, static_cast<std::size_t>(options.batch), [&](std::span<const std::uint32_t> batch) {
      const Inputs inputs = inputs_of(training, batch);
      d_output.resize(batch.size());
      Loss unused;
      function(perceptron.forward(parameters, inputs), targets_of(training, batch), d_output, unused);
      std::ranges::fill(gradients, 0.0f);
      perceptron.backward(parameters, inputs, d_output, gradients);
      adam.step(now_learning, parameters, gradients);
    });
    const double now = loss(perceptron, function, parameters, held_out);
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
  if (ranking)
    scale_output(shape, best_slope(outputs_of(shape, training, parameters), training.targets), training,
                 parameters);
  return best_epoch;
}

}  // namespace apq::predictor
