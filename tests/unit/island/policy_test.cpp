// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/island/policy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "apq/core/error.hpp"
#include "apq/island/topology.hpp"
#include "island/policies/registry.hpp"
#include "support/small_space.hpp"

namespace apq::island {
namespace {

class PolicyTest : public testing::Test {
 protected:
  Individuals residents(int count) {
    Individuals list;
    while (static_cast<int>(list.size()) < count)
      list.push_back(
          {space_.canonical(space_.sample(random_)), {1.0 - 0.01 * static_cast<double>(list.size())}});
    return list;
  }
  space::SearchSpace space_{test::small_space_options()};
  RandomStream random_{3, Purpose::test};
};

TEST_F(PolicyTest, EverySelectionTakesSomeResidentsOnceAndTheBestIsTheBest) {
  const Individuals all = residents(20);
  for (const std::string& name : selections()) {
    const Individuals chosen = selection_from_name(name)(all, 5, random_);
    ASSERT_EQ(chosen.size(), 5u) << name;
    std::set<double> known;
    for (const auto& i : chosen) {
      EXPECT_TRUE(known.insert(i.score.accuracy).second) << name;
      EXPECT_TRUE(std::ranges::any_of(all, [&](const auto& r) { return r.genome == i.genome; })) << name;
    }
    EXPECT_LE(selection_from_name(name)(all, 1000, random_).size(), all.size()) << name;
    EXPECT_TRUE(selection_from_name(name)(all, 0, random_).empty()) << name;
  }
  const Individuals best = select_best(all, 3, random_);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(best[i].genome, all[i].genome);
}

TEST_F(PolicyTest, DiverseMigrantsDifferMoreThanTheBest) {
  const auto nearest = [](const Individuals& list) {
    int least = 1000;
    for (std::size_t i = 0; i < list.size(); ++i)
      for (std::size_t j = 0; j < i; ++j) least = std::min(least, distance(list[i].genome, list[j].genome));
    return least;
  };
  Individuals all = residents(20);
  all[1].genome = all[0].genome;
  all[1].genome.blocks[0].width =
      static_cast<std::uint8_t>(1 - std::min<int>(all[0].genome.blocks[0].width, 1));
  EXPECT_EQ(distance(all[0].genome, all[1].genome), 1);
  EXPECT_GT(nearest(select_diverse(all, 4, random_)), nearest(select_best(all, 4, random_)));
}

TEST_F(PolicyTest, ReplacementsTakeThePlacesTheyAreNamedAfter) {
  const Individuals all = residents(10);
  Individuals strangers = residents(2);
  strangers[0].score.accuracy = 2;   // better than all
  strangers[1].score.accuracy = -1;  // worse than all
  EXPECT_EQ(replace_worst(all, strangers, 0, random_).size(), 12u);

  const Individuals random = replace_random(all, strangers, 0, random_);
  EXPECT_EQ(random.size(), 10u);
  EXPECT_EQ(random[0].genome, all[0].genome);
  EXPECT_EQ(random[9].genome, strangers[1].genome);

  strangers[0].genome = all[7].genome;
  strangers[0].genome.blocks[0].kernel = static_cast<std::uint8_t>(1 - all[7].genome.blocks[0].kernel);
  const Individuals similar = replace_most_similar(all, strangers, 0, random_);
  ASSERT_EQ(similar.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i)
    EXPECT_EQ(similar[i].genome, i == 7 ? strangers[0].genome : all[i].genome) << i;
}

TEST_F(PolicyTest, UnknownNamesAreUsageErrors) {
  EXPECT_THROW(selection_from_name("worst"), Error);
  EXPECT_THROW(replacement_from_name("best"), Error);
}

TEST(RandomRegular, IsConnectedFollowsTheSeedAndGivesEverybodyAsManySources) {
  for (const int n : {2, 5, 16, 100}) {
    std::vector<int> sources(static_cast<std::size_t>(n), 0);
    std::set<int> reached{0};
    std::vector<int> open{0};
    for (int i = 0; i < n; ++i) {
      const auto targets = neighbours("random_regular", i, n, 7);
      EXPECT_GE(targets.size(), 1u);
      EXPECT_LE(targets.size(), 3u);
      for (const int t : targets) ++sources[static_cast<std::size_t>(t)];
    }
    while (!open.empty()) {
      const int i = open.back();
      open.pop_back();
      for (const int t : neighbours("random_regular", i, n, 7))
        if (reached.insert(t).second) open.push_back(t);
    }
    EXPECT_EQ(reached.size(), static_cast<std::size_t>(n));
    EXPECT_GE(std::ranges::min(sources), 1);
    EXPECT_LE(std::ranges::max(sources), 3);
  }
  EXPECT_NE(neighbours("random_regular", 3, 100, 7), neighbours("random_regular", 3, 100, 8));
}

}  // namespace
}  // namespace apq::island
