// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "predictor/training.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "apq/core/random.hpp"

namespace apq::predictor {
namespace {

double mean_of(void (*function)(std::span<const float>, std::span<const float>, std::span<float>, Loss&),
               const std::vector<float>& outputs, const std::vector<float>& targets,
               std::vector<float>& gradient) {
  Loss loss;
  gradient.resize(outputs.size());
  function(outputs, targets, gradient, loss);
  return loss.mean();
}

// Outputs 1, 3, 2 for targets 0, 1, 1: the second and third network are better than the first, by margins 2
// and 1.
TEST(Losses, RankingOfThreeNetworksByHand) {
  std::vector<float> gradient;
  EXPECT_NEAR(mean_of(ranking_loss, {1, 3, 2}, {0, 1, 1}, gradient),
              (std::log(1 + std::exp(-2)) + std::log(1 + std::exp(-1))) / 2, 1e-12);
  EXPECT_NEAR(gradient[1], -1 / (1 + std::exp(2)) / 2, 1e-7);
  EXPECT_NEAR(gradient[2], -1 / (1 + std::exp(1)) / 2, 1e-7);
  EXPECT_NEAR(gradient[0], -gradient[1] - gradient[2], 1e-7);
}

TEST(Losses, GradientsAgreeWithFiniteDifferences) {
  RandomStream random(1, Purpose::test);
  std::vector<float> outputs(20), targets(20), gradient, unused;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    outputs[i] = static_cast<float>(random.normal());
    targets[i] = static_cast<float>(random.below(8));  // some are equal
  }
  for (const auto function : {squared_error, ranking_loss}) {
    mean_of(function, outputs, targets, gradient);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      constexpr float kStep = 1.0f / 512;
      auto up = outputs, down = outputs;
      up[i] += kStep;
      down[i] -= kStep;
      const double expected =
          (mean_of(function, up, targets, unused) - mean_of(function, down, targets, unused)) /
          (static_cast<double>(up[i]) - down[i]);
      EXPECT_NEAR(gradient[i], expected, 1e-5) << i;
    }
  }
}

TEST(Losses, ARankingOfFarApartOutputsIsFinite) {
  std::vector<float> gradient;
  EXPECT_NEAR(mean_of(ranking_loss, {1e4f, -1e4f}, {0, 1}, gradient), 2e4, 1e-6);
  EXPECT_EQ(gradient, (std::vector<float>{1, -1}));
  EXPECT_EQ(mean_of(ranking_loss, {1, 2}, {5, 5}, gradient), 0);  // nothing to rank
  EXPECT_EQ(gradient, (std::vector<float>{0, 0}));
}

}  // namespace
}  // namespace apq::predictor
