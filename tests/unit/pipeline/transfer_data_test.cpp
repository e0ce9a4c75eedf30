// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/transfer_data.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "support/small_space.hpp"

namespace apq::pipeline {
namespace {

class TransferData : public testing::Test {
 protected:
  std::vector<predictor::Pair> pairs(int count) const {
    RandomStream random(1, Purpose::test);
    std::vector<predictor::Pair> result;
    for (int i = 0; i < count; ++i) result.push_back({space_.sample(random), 0.001 * i});
    return result;
  }
  std::set<std::string> names(const std::vector<predictor::Pair>& pairs) const {
    std::set<std::string> result;
    for (const predictor::Pair& pair : pairs) result.insert(space_.to_text(pair.genome));
    return result;
  }

  space::SearchSpace space_{apq::test::small_space_options()};
};

TEST_F(TransferData, NoNetworkOfTheTestPartCanBeTrainedOn) {
  auto all = pairs(400);
  for (int i = 0; i < 50; ++i) all.push_back(all[static_cast<std::size_t>(i)]);  // networks drawn twice
  const TestSplit split = split_off_test(space_, all, 0.25, 7);
  EXPECT_EQ(split.pool.size() + split.test.size(), all.size());
  EXPECT_NEAR(static_cast<double>(split.test.size()), 112, 30);
  const auto test = names(split.test);
  for (const std::string& name : names(split.pool)) EXPECT_FALSE(test.contains(name)) << name;
}

TEST_F(TransferData, ThePartOfANetworkDependsOnSeedAndGenomeOnly) {
  const auto all = pairs(200);
  const auto whole = names(split_off_test(space_, all, 0.25, 7).test);
  for (const predictor::Pair& pair : all)
    EXPECT_EQ(split_off_test(space_, {&pair, 1}, 0.25, 7).test.size(),
              whole.contains(space_.to_text(pair.genome)) ? 1u : 0u);
  EXPECT_NE(names(split_off_test(space_, all, 0.25, 8).test), whole);
}

TEST_F(TransferData, SubsetsAreNestedWithoutRepetitionAndDifferBySeed) {
  const auto pool = pairs(100);
  std::set<std::string> before;
  for (const std::size_t count : {5u, 10u, 50u, 100u}) {
    const auto now = names(subset(space_, pool, count, 3));
    EXPECT_EQ(now.size(), count);
    EXPECT_TRUE(std::includes(now.begin(), now.end(), before.begin(), before.end()));
    before = now;
  }
  EXPECT_NE(names(subset(space_, pool, 50, 3)), names(subset(space_, pool, 50, 4)));
}

TEST_F(TransferData, TheOrderOfThePoolDoesNotMatter) {
  auto pool = pairs(100);
  const auto drawn = subset(space_, pool, 40, 3);
  std::ranges::reverse(pool);
  const auto again = subset(space_, pool, 40, 3);
  for (std::size_t i = 0; i < drawn.size(); ++i) EXPECT_EQ(drawn[i].genome, again[i].genome) << i;
}

}  // namespace
}  // namespace apq::pipeline
