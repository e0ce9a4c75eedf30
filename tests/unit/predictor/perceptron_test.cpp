// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "predictor/perceptron.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "apq/core/random.hpp"

namespace apq::predictor {
namespace {

Inputs random_inputs(const Shape& shape, int rows, std::uint64_t seed) {
  RandomStream random(seed, Purpose::test);
  Inputs inputs;
  for (int r = 0; r < rows; ++r) {
    std::vector<std::int32_t> slots;
    for (std::size_t s = 0; s < shape.slots; ++s)
      if (random.below(2) == 0) slots.push_back(static_cast<std::int32_t>(s));
    inputs.add(slots);
  }
  return inputs;
}

std::vector<float> random_parameters(const Shape& shape, std::uint64_t seed) {
  RandomStream random(seed, Purpose::test, 1);
  std::vector<float> parameters(shape.size());
  for (float& p : parameters) p = static_cast<float>(0.5 * random.normal());
  return parameters;
}

/// The definition, in double precision and dense: x W1 + b1 -> ReLU -> W2, b2 -> ReLU -> W3, b3 -> ReLU ->
/// w4, b4; the late slots' part of x W1 is added after the first ReLU.
std::vector<double> plain_forward(const Shape& shape, const std::vector<double>& p, const Inputs& inputs) {
  std::vector<double> outputs;
  for (int r = 0; r < inputs.rows(); ++r) {
    std::vector<double> x(shape.slots, 0);
    for (const auto slot : inputs.row(r)) x[slot] = 1;
    std::size_t at = 0;
    for (int layer = 0; layer < 3; ++layer) {
      std::vector<double> y(shape.hidden, 0), late(shape.hidden, 0);
      const std::size_t early = layer == 0 ? x.size() - shape.late : x.size();
      for (std::size_t i = 0; i < x.size(); ++i)
        for (double& unit : i < early ? y : late) unit += x[i] * p[at++];
      for (double& unit : y) unit = std::max(unit + p[at++], 0.0);
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += late[i];
      x = y;
    }
    double output = 0;
    for (const double value : x) output += value * p[at++];
    outputs.push_back(output + p[at++]);
    EXPECT_EQ(at, p.size());
  }
  return outputs;
}

class Perceptrons : public testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(AllSlotsEarlyOrSomeLate, Perceptrons,
                         testing::Values(Shape{13, 7}, Shape{13, 7, 5}));

TEST_P(Perceptrons, ForwardIsTheDenseDefinition) {
  const Shape shape = GetParam();
  const auto parameters = random_parameters(shape, 1);
  const Inputs inputs = random_inputs(shape, 9, 2);
  Perceptron perceptron(shape);
  const auto output = perceptron.forward(parameters, inputs);
  const auto expected = plain_forward(shape, {parameters.begin(), parameters.end()}, inputs);
  ASSERT_EQ(output.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(output[i], expected[i], 1e-4);
}

// Central differences of the plain forward pass, so that only the backward pass is single precision.
TEST_P(Perceptrons, BackwardAgreesWithFiniteDifferences) {
  const Shape shape = GetParam();
  const auto parameters = random_parameters(shape, 3);
  const Inputs inputs = random_inputs(shape, 5, 4);
  const std::vector<float> d_output{0.5f, -1, 2, 0.25f, 1};
  Perceptron perceptron(shape);
  perceptron.forward(parameters, inputs);
  std::vector<float> gradients(shape.size(), 1);  // results are added
  perceptron.backward(parameters, inputs, d_output, gradients);

  const auto objective = [&](const std::vector<double>& p) {
    const auto outputs = plain_forward(shape, p, inputs);
    double sum = 0;
    for (std::size_t i = 0; i < outputs.size(); ++i) sum += d_output[i] * outputs[i];
    return sum;
  };
  const std::vector<double> at(parameters.begin(), parameters.end());
  int nonzero = 0;
  for (std::size_t i = 0; i < at.size(); ++i) {
    constexpr double kStep = 1e-6;
    auto up = at, down = at;
    up[i] += kStep;
    down[i] -= kStep;
    const double expected = (objective(up) - objective(down)) / (2 * kStep);
    EXPECT_NEAR(gradients[i] - 1, expected, 1e-4 * std::max(1.0, std::abs(expected))) << "parameter " << i;
    nonzero += expected != 0;
  }
  EXPECT_GT(nonzero, 100);
}

}  // namespace
}  // namespace apq::predictor
