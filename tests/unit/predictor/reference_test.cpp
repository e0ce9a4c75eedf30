// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/predictor/reference.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "predictor/boosted_trees.hpp"
#include "predictor/ridge.hpp"
#include "support/small_space.hpp"

namespace apq::predictor {
namespace {

// Four corners of a square: centred, the columns are orthogonal with squared length 1, and their products
// with the centred targets -2 -1 1 2 are 1 and 3.
TEST(Ridge, TheSquareIsSolvedByHand) {
  const Rows x{{0, 0}, {1, 0}, {0, 1}, {1, 1}};
  const std::vector<double> y{1, 2, 4, 5};
  for (const double penalty : {1e-9, 1.0, 3.0}) {
    const Ridge ridge = fit_ridge(x, y, penalty);
    ASSERT_EQ(ridge.weights.size(), 2u);
    EXPECT_NEAR(ridge.weights[0], 1 / (1 + penalty), 1e-6);
    EXPECT_NEAR(ridge.weights[1], 3 / (1 + penalty), 1e-6);
    EXPECT_NEAR(ridge.bias, 3 - 2 / (1 + penalty), 1e-6);  // through the mean 3 at (1/2, 1/2)
    EXPECT_NEAR(ridge.predict(std::vector<double>{1, 1}), 3 + 2 / (1 + penalty), 1e-6);
  }
}

Rows random_rows(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  RandomStream random(seed, Purpose::test);
  Rows x(rows, std::vector<double>(columns));
  for (auto& row : x)
    for (double& value : row) value = random.below(2);
  return x;
}

// At the minimum of sum (y - f)^2 + penalty |w|^2 every derivative is 0.
TEST(Ridge, TheGradientOfTheObjectiveVanishes) {
  const Rows x = random_rows(8, 12, 1);  // more columns than rows
  const std::vector<double> y{3, 1, 4, 1, 5, 9, 2, 6};
  const Ridge ridge = fit_ridge(x, y, 0.5);
  double bias_gradient = 0;
  for (std::size_t r = 0; r < x.size(); ++r) bias_gradient += ridge.predict(x[r]) - y[r];
  EXPECT_NEAR(bias_gradient, 0, 1e-9);
  for (std::size_t c = 0; c < 12; ++c) {
    double gradient = 0.5 * ridge.weights[c];
    for (std::size_t r = 0; r < x.size(); ++r) gradient += (ridge.predict(x[r]) - y[r]) * x[r][c];
    EXPECT_NEAR(gradient, 0, 1e-9) << c;
  }
}

TEST(Ridge, TheLeftOutErrorIsThatOfLeavingOut) {
  const Rows x = random_rows(9, 5, 2);
  const std::vector<double> y{3, 1, 4, 1, 5, 9, 2, 6, 5};
  double expected = 0;
  for (std::size_t out = 0; out < x.size(); ++out) {
    Rows others = x;
    std::vector<double> targets = y;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(out));
    targets.erase(targets.begin() + static_cast<std::ptrdiff_t>(out));
    const double error = fit_ridge(others, targets, 2).predict(x[out]) - y[out];
    expected += error * error / 9;
  }
  EXPECT_NEAR(fit_ridge(x, y, 2).left_out_error, expected, 1e-9);
}

TEST(Ridge, ThePenaltyIsTheOneWithTheLeastLeftOutError) {
  const Rows x = random_rows(30, 10, 3);
  RandomStream random(4, Purpose::test);
  std::vector<double> y;
  for (const auto& row : x) y.push_back(row[0] + 2 * row[1] + random.normal());
  const Ridge chosen = fit_ridge(x, y);
  for (const double penalty : {0.01, 0.1, 1.0, 10.0, 100.0, 1000.0})
    EXPECT_LE(chosen.left_out_error, fit_ridge(x, y, penalty).left_out_error);
}

TEST(References, LearnAnAdditiveFunctionOfKernelsAndBits) {
  const space::SearchSpace space(apq::test::small_space_options());
  const auto pairs = [&](int count, std::uint64_t seed) {
    RandomStream random(seed, Purpose::test);
    std::vector<Pair> result;
    for (int i = 0; i < count; ++i) {
      const space::Genome genome = space.sample(random);
      double accuracy = 0.5;
      space.for_each_active(genome, [&](int b) {
        accuracy += 0.01 * space.kernel(genome, b) + 0.02 * space.bits(genome, b, space::kDwWeight);
      });
      result.push_back({genome, accuracy});
    }
    return result;
  };
  const auto training = pairs(300, 1), fresh = pairs(200, 2);
  std::vector<space::Genome> genomes;
  std::vector<double> measured;
  for (const Pair& pair : fresh) {
    genomes.push_back(pair.genome);
    measured.push_back(pair.accuracy);
  }
  const auto all = references();
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.front().name, "ridge");
  for (const auto& [name, predict] : all) {
    const auto predicted = predict(space, training, genomes, 1);
    EXPECT_GT(quality(predicted, measured).pairwise_accuracy, name == "ridge" ? 0.99 : 0.85) << name;
    EXPECT_EQ(predict(space, training, genomes, 1), predicted) << name;
  }
}

// Two columns of ten that matter only together: a sum of functions of one column is right half of the time.
TEST(BoostedTrees, LearnAnExclusiveOr) {
  if (!has_boosted_trees()) GTEST_SKIP() << "built without libxgboost";
  const auto table = [](std::uint64_t seed) {
    RandomStream random(seed, Purpose::test);
    Table result;
    for (int i = 0; i < 400; ++i) {
      std::vector<float> row(10);
      for (float& value : row) value = static_cast<float>(random.below(2));
      result.targets.push_back(row[3] != row[7] ? 1 : 0);
      result.add(row);
    }
    return result;
  };
  const Table fresh = table(3);
  const auto predicted = predict_with_boosted_trees(table(1), table(2), fresh, 1);
  ASSERT_EQ(predicted.size(), fresh.rows);
  for (std::size_t i = 0; i < fresh.rows; ++i) EXPECT_NEAR(predicted[i], fresh.targets[i], 0.5) << i;
}

}  // namespace
}  // namespace apq::predictor
