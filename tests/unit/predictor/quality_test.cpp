// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "apq/predictor/predictor.hpp"

namespace apq::predictor {
namespace {

Quality of(const std::vector<double>& predicted, const std::vector<double>& measured) {
  return quality(predicted, measured);
}

TEST(Quality, PerfectPredictionsScoreOne) {
  const Quality q = of({0.1, 0.5, 0.3}, {0.1, 0.5, 0.3});
  EXPECT_EQ(q.pairs, 3);
  EXPECT_EQ(q.rmse, 0);
  EXPECT_DOUBLE_EQ(q.kendall_tau, 1);
  EXPECT_DOUBLE_EQ(q.spearman, 1);
  EXPECT_DOUBLE_EQ(q.pairwise_accuracy, 1);
}

TEST(Quality, ReversedPredictionsScoreMinusOne) {
  const Quality q = of({3, 2, 1}, {1, 2, 3});
  EXPECT_DOUBLE_EQ(q.rmse, std::sqrt(8.0 / 3));
  EXPECT_DOUBLE_EQ(q.kendall_tau, -1);
  EXPECT_DOUBLE_EQ(q.spearman, -1);
  EXPECT_DOUBLE_EQ(q.pairwise_accuracy, 0);
}

// Pairs of (predicted, measured): (1,1) (2,3) (3,2) (4,4): only the middle two are swapped.
TEST(Quality, OneSwapOfSixPairs) {
  const Quality q = of({1, 2, 3, 4}, {1, 3, 2, 4});
  EXPECT_DOUBLE_EQ(q.kendall_tau, 4.0 / 6);
  EXPECT_DOUBLE_EQ(q.spearman, 1 - 6.0 * 2 / (4 * 15));
  EXPECT_DOUBLE_EQ(q.pairwise_accuracy, 5.0 / 6);
}

// Predicted 1 1 2 3, measured 1 2 2 3. Of six pairs one is tied in the prediction only, one in the
// measurement only, four agree: tau-b = 4 / sqrt(5 * 5). Ranks 1.5 1.5 3 4 and 1 2.5 2.5 4: covariance
// 3.75, variances 4.5.
TEST(Quality, TiesByHand) {
  const Quality q = of({1, 1, 2, 3}, {1, 2, 2, 3});
  EXPECT_DOUBLE_EQ(q.kendall_tau, 4.0 / 5);
  EXPECT_DOUBLE_EQ(q.spearman, 3.75 / 4.5);
  EXPECT_DOUBLE_EQ(q.pairwise_accuracy, 4.5 / 5);
}

TEST(Quality, AConstantPredictionIsChanceAndRanksNothing) {
  const Quality q = of({1, 1, 1}, {1, 2, 3});
  EXPECT_EQ(q.kendall_tau, 0);
  EXPECT_EQ(q.spearman, 0);
  EXPECT_DOUBLE_EQ(q.pairwise_accuracy, 0.5);
}

TEST(Quality, FiguresThatDoNotExistAreZero) {
  EXPECT_EQ(of({}, {}).pairs, 0);
  EXPECT_EQ(of({}, {}).rmse, 0);
  EXPECT_EQ(of({1}, {2}).rmse, 1);
  EXPECT_EQ(of({1}, {2}).kendall_tau, 0);
  EXPECT_EQ(of({1, 2}, {5, 5}).pairwise_accuracy, 0);
  EXPECT_EQ(of({1, 2}, {5, 5}).spearman, 0);
}

}  // namespace
}  // namespace apq::predictor
