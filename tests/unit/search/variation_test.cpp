// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "search/variation.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/small_space.hpp"

namespace apq::search {
namespace {

class VariationTest : public testing::Test {
 protected:
  int blocks() const { return static_cast<int>(space_.blocks().size()); }
  space::SearchSpace space_{test::small_space_options()};
  RandomStream random_{5, Purpose::test};
};

TEST_F(VariationTest, MutationRedrawsDepthsAndBlocksAtTheRate) {
  constexpr int kTrials = 20000;
  constexpr double kRate = 0.1;
  const space::Genome parent = space_.largest();  // all blocks on
  int depth_changes = 0, block_changes = 0;
  for (int t = 0; t < kTrials; ++t) {
    space::Genome child;
    mutate(space_, parent, kRate, random_, child);
    ASSERT_TRUE(space_.valid(child));
    ASSERT_EQ(child, space_.canonical(child));
    depth_changes += child.depth[0] != parent.depth[0];
    block_changes += child.blocks[0] != parent.blocks[0];  // the first block is always on
  }
  const auto expect_share = [](int count, double share) {
    EXPECT_NEAR(count / double{kTrials}, share, 5 * std::sqrt(share / kTrials));
  };
  expect_share(depth_changes, kRate * 2 / 3);  // one of three depths is the old one
  const auto& first = space_.blocks()[0];
  const double choices = static_cast<double>(first.kernels.size() * first.widths.size()) * std::pow(3, 4);
  expect_share(block_changes, kRate * (1 - 1 / choices));
}

TEST_F(VariationTest, MutationDrawsTheBlocksThatALargerDepthSwitchesOn) {
  const space::Genome parent = space_.smallest();
  int switched_on = 0, with_low_bits = 0;
  for (int t = 0; t < 5000; ++t) {
    space::Genome child;
    mutate(space_, parent, 0.3, random_, child);
    if (!space_.active(child, 1)) continue;  // off in the parent
    ++switched_on;
    with_low_bits += child.blocks[1].bits[space::kPwWeight] == 0;
  }
  ASSERT_GT(switched_on, 500);
  EXPECT_NEAR(with_low_bits / static_cast<double>(switched_on), 1.0 / 3, 0.1);
}

TEST_F(VariationTest, CrossoverTakesEveryDepthAndBlockFromAParentThatHasIt) {
  int from_a = 0, from_b = 0;
  for (int t = 0; t < 2000; ++t) {
    const space::Genome a = space_.canonical(space_.sample(random_));
    const space::Genome b = space_.canonical(space_.sample(random_));
    space::Genome child;
    crossover(space_, a, b, random_, child);
    ASSERT_TRUE(space_.valid(child));
    ASSERT_EQ(child, space_.canonical(child));
    for (int s = 0; s < space_.stages(); ++s)
      ASSERT_TRUE(child.depth[s] == a.depth[s] || child.depth[s] == b.depth[s]);
    for (int i = 0; i < blocks(); ++i) {
      if (!space_.active(child, i)) continue;
      const bool is_a = space_.active(a, i) && child.blocks[i] == a.blocks[i];
      const bool is_b = space_.active(b, i) && child.blocks[i] == b.blocks[i];
      ASSERT_TRUE(is_a || is_b);
      if (space_.active(a, i) && space_.active(b, i)) (is_a ? from_a : from_b) += 1;
    }
  }
  EXPECT_NEAR(from_a / static_cast<double>(from_a + from_b), 0.5, 0.03);
}

TEST_F(VariationTest, MovingTowardsATargetStopsWhenItFitsAndEndsAtTheTarget) {
  for (int t = 0; t < 200; ++t) {
    const space::Genome start = space_.sample(random_);
    const space::Genome target = space_.canonical(space_.sample(random_));
    EXPECT_EQ(move_towards(
                  space_, start, target, [](const auto&) { return true; }, random_),
              space_.canonical(start));
    EXPECT_EQ(move_towards(
                  space_, start, target, [](const auto&) { return false; }, random_),
              target);
    int asked = 0;
    const auto third = [&](const space::Genome& g) { return !space_.valid(g) || ++asked == 3; };
    EXPECT_TRUE(space_.valid(move_towards(space_, start, target, third, random_)));
    EXPECT_EQ(asked, 3);
  }
}

}  // namespace
}  // namespace apq::search
