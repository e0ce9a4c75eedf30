// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/search/pareto.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "apq/core/random.hpp"

namespace apq::search {
namespace {

constexpr int kMetric = 1;

Individual point(double accuracy, double cost) {
  Individual individual;
  individual.score.accuracy = accuracy;
  individual.score.costs[kMetric] = cost;
  return individual;
}

/// Whole-numbered points, so that ties and repeats are common.
std::vector<Individual> random_points(int count, std::uint64_t seed) {
  RandomStream random(seed, Purpose::test);
  std::vector<Individual> points;
  for (int i = 0; i < count; ++i) {
    points.push_back(point(random.below(12), random.below(12)));
    if (random.below(15) == 0) points.back().score.accuracy = std::nan("");
    if (random.below(15) == 0) points.back().score.costs[kMetric] = std::nan("");
  }
  return points;
}

TEST(Dominates, NeedsNoWorseInBothAndBetterInOne) {
  EXPECT_TRUE(dominates(point(2, 1).score, point(1, 1).score, kMetric));
  EXPECT_TRUE(dominates(point(2, 1).score, point(2, 2).score, kMetric));
  EXPECT_FALSE(dominates(point(2, 1).score, point(2, 1).score, kMetric));
  EXPECT_FALSE(dominates(point(2, 2).score, point(1, 1).score, kMetric));
}

TEST(Dominates, AScoreThatIsNoNumberDominatesNothing) {
  const Score lost = point(std::nan(""), 0).score;
  EXPECT_FALSE(dominates(lost, point(-1, 100).score, kMetric));
  EXPECT_TRUE(dominates(point(-1, 100).score, lost, kMetric));
  EXPECT_FALSE(dominates(lost, lost, kMetric));
}

TEST(ParetoFront, IsWhatNobodyDominates) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto points = random_points(40, seed);
    std::vector<std::size_t> expected;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const bool number = std::isfinite(points[i].score.accuracy + points[i].score.costs[kMetric]);
      if (number && std::ranges::none_of(points, [&](const Individual& other) {
            return dominates(other.score, points[i].score, kMetric);
          }))
        expected.push_back(i);
    }
    auto front = pareto_front(points, kMetric);
    EXPECT_TRUE(
        std::ranges::is_sorted(front, {}, [&](std::size_t i) { return points[i].score.costs[kMetric]; }));
    std::ranges::sort(front);
    ASSERT_EQ(front, expected) << "seed " << seed;
  }
}

TEST(Hypervolume, CountsTheUnitCellsThatTheFrontDominates) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto points = random_points(12, seed);
    constexpr int kReferenceAccuracy = 2, kReferenceCost = 10;
    int cells = 0;
    for (int accuracy = kReferenceAccuracy; accuracy < 12; ++accuracy)
      for (int cost = 0; cost < kReferenceCost; ++cost)
        cells += std::ranges::any_of(points, [&](const Individual& p) {
          return p.score.accuracy >= accuracy + 1 && p.score.costs[kMetric] <= cost;
        });
    ASSERT_EQ(hypervolume(points, kMetric, kReferenceAccuracy, kReferenceCost), cells) << "seed " << seed;
  }
}

TEST(Hypervolume, OfNothingIsZero) { EXPECT_EQ(hypervolume({}, kMetric, 0, 1), 0); }

}  // namespace
}  // namespace apq::search
