// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/promising.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/small_space.hpp"

namespace apq::pipeline {
namespace {

class PromisingTest : public testing::Test {
 protected:
  PromisingTest() {
    RandomStream random(1, Purpose::test);
    std::vector<predictor::Pair> pairs;
    for (int i = 0; i < 60; ++i) pairs.push_back({space_.sample(random), random.uniform()});
    ensemble_.fit(pairs);
    std::vector<space::Genome> genomes;
    for (int i = 0; i < 40; ++i) genomes.push_back(space_.sample(random));
    std::vector<double> accuracy(genomes.size());
    spread_.resize(genomes.size());
    ensemble_.predict(genomes, accuracy);
    ensemble_.spread(genomes, spread_);
    for (std::size_t i = 0; i < genomes.size(); ++i) individuals_.push_back({genomes[i], {accuracy[i], {}}});
  }
  /// Place of each of the sorted individuals before.
  std::vector<std::size_t> order(double exploration) const {
    std::vector<std::size_t> places;
    for (const auto& individual : most_promising_first(individuals_, ensemble_, exploration))
      places.push_back(static_cast<std::size_t>(
          std::ranges::find(individuals_, individual.genome, &search::Individual::genome) -
          individuals_.begin()));
    return places;
  }

  space::SearchSpace space_{test::small_space_options()};
  predictor::Predictor ensemble_{space_, true, {.members = 3, .hidden = 32}, 1};
  std::vector<search::Individual> individuals_;
  std::vector<double> spread_;
};

TEST_F(PromisingTest, WithoutExplorationGoodOnesStayInTheirOrder) {
  std::vector<std::size_t> as_they_were(individuals_.size());
  for (std::size_t i = 0; i < as_they_were.size(); ++i) as_they_were[i] = i;
  EXPECT_EQ(order(0), as_they_were);
}

TEST_F(PromisingTest, TheUpperConfidenceBoundDecides) {
  const auto bound = [&](std::size_t i) { return individuals_[i].score.accuracy + 2 * spread_[i]; };
  const auto places = order(2);
  EXPECT_TRUE(std::ranges::is_sorted(places, std::ranges::greater(), bound));
  EXPECT_EQ(std::ranges::count(places, places[0]), 1);
}

TEST_F(PromisingTest, MuchExplorationAsksForTheMostUncertain) {
  EXPECT_EQ(order(1e3).front(),
            static_cast<std::size_t>(std::ranges::max_element(spread_) - spread_.begin()));
}

}  // namespace
}  // namespace apq::pipeline
