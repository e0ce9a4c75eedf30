// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/search/evolution.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <utility>

#include "apq/core/error.hpp"
#include "support/separable_evaluator.hpp"
#include "support/small_space.hpp"

namespace apq::search {
namespace {

bool operator==(const Individual& a, const Individual& b) {
  return a.genome == b.genome && a.score.accuracy == b.score.accuracy && a.score.costs == b.score.costs;
}

class EvolutionTest : public testing::Test {
 protected:
  Evolution make(double limit, std::uint64_t seed = 7, std::uint64_t key = 0) const {
    return Evolution(space_, {0, limit, "cost"}, options_, seed, key);
  }
  void run(Evolution& evolution, int generations) {
    for (int g = 0; g < generations; ++g) evolution.step(evaluator_);
  }

  space::SearchSpace space_{test::small_space_options()};
  test::SeparableEvaluator evaluator_{space_};
  EvolutionOptions options_;
};

TEST_F(EvolutionTest, EveryNetworkMeetsAllBoundsOfItsBudget) {
  // Cost m is (1 + m) times cost 0: of cost 0 <= 90 and cost 2 <= 120 the second binds, at 40.
  Evolution evolution(space_, {0, 90, "both", -1, {{2, 120}}}, options_, 7, 0);
  evolution.initialise(evaluator_);
  run(evolution, 20);
  double largest = 0;
  for (const Individual& individual : evolution.population()) {
    EXPECT_LE(individual.score.costs[2], 120);
    largest = std::max(largest, individual.score.costs[0]);
  }
  EXPECT_GT(largest, 36);
  EXPECT_THROW(Evolution(space_, {0, 90, "none", -1, {{kCosts, 1}}}, options_, 7, 0), Error);
}

bool same(const Evolution& a, const Evolution& b) {
  return std::ranges::equal(a.population(), b.population(),
                            [](const Individual& x, const Individual& y) { return x == y; });
}

// Under tight budgets few changes of depth fit, and a lone population can stay with a depth that is not the
// best.
TEST_F(EvolutionTest, ComesCloseToTheExactOptimumOfEveryBudgetAndNeverAboveIt) {
  constexpr int kWorlds = 24;  // a mean over few worlds moves by several hundredths with the seeds
  for (const auto& [limit, mean_share] : {std::pair{28, 0.85}, {45, 0.9}, {70, 0.95}, {90, 0.96}}) {
    double sum = 0;
    for (std::uint64_t seed = 1; seed <= kWorlds; ++seed) {
      test::SeparableEvaluator evaluator(space_, seed);
      Evolution evolution = make(limit, seed);
      evolution.initialise(evaluator);
      for (int g = 0; g < 100; ++g) evolution.step(evaluator);
      const double share = evolution.population().front().score.accuracy / evaluator.optimum(limit);
      EXPECT_LE(share, 1 + 1e-12) << seed << " " << limit;
      sum += share;
    }
    EXPECT_GE(sum / kWorlds, mean_share) << limit;
  }
}

TEST_F(EvolutionTest, BeatsRandomSearchWithTheSameNumberOfEvaluations) {
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    const Budget budget{0, 60, "cost"};
    test::SeparableEvaluator evaluator(space_, seed);
    Evolution evolution = make(budget.limit, seed);
    evolution.initialise(evaluator);
    for (int g = 0; g < 40; ++g) evolution.step(evaluator);

    std::vector<space::Genome> genomes;
    RandomStream random(seed, Purpose::random_search);
    while (genomes.size() < evaluator.evaluated.size())
      genomes.push_back(random_within(space_, evaluator, budget, random));
    std::vector<Score> scores(genomes.size());
    evaluator.evaluate(genomes, scores);
    const double optimum = evaluator.optimum(60);
    const double random_gap = optimum - std::ranges::max(scores, {}, &Score::accuracy).accuracy;
    const double evolution_gap = optimum - evolution.population().front().score.accuracy;
    EXPECT_LT(evolution_gap, random_gap / 2) << seed << ": " << optimum << " " << random_gap;
  }
}

TEST_F(EvolutionTest, NeverScoresANetworkOverTheBudget) {
  Evolution evolution = make(32);
  evolution.initialise(evaluator_);
  run(evolution, 10);
  ASSERT_GT(evaluator_.evaluated.size(), 500u);
  for (const space::Genome& genome : evaluator_.evaluated) {
    ASSERT_TRUE(space_.valid(genome));
    ASSERT_LE(evaluator_.cost(genome, 0), 32);
  }
}

TEST_F(EvolutionTest, CallsTheEvaluatorOncePerGenerationAndNeverScoresAGenomeThereTwice) {
  Evolution evolution = make(45);
  evolution.initialise(evaluator_);
  EXPECT_EQ(evaluator_.calls, 1);
  EXPECT_EQ(evaluator_.evaluated.size(), 100u);
  evaluator_.evaluated.clear();
  std::set<space::Genome> known;
  for (const Individual& i : evolution.population()) known.insert(i.genome);
  evolution.step(evaluator_);
  EXPECT_EQ(evaluator_.calls, 2);
  for (const space::Genome& genome : evaluator_.evaluated) EXPECT_TRUE(known.insert(genome).second);
}

TEST_F(EvolutionTest, SurvivorsAreTheElitesAndTheBestChildren) {
  Evolution evolution = make(45);
  evolution.initialise(evaluator_);
  const auto before = evolution.population();
  evaluator_.evaluated.clear();
  evolution.step(evaluator_);
  EXPECT_EQ(evaluator_.evaluated.size(), 100u);

  std::vector<Individual> expected(before.begin(), before.begin() + 25);
  for (const space::Genome& genome : std::vector(evaluator_.evaluated)) {
    Individual child{genome, {}};
    evaluator_.evaluate({&genome, 1}, {&child.score, 1});
    expected.push_back(child);
  }
  std::ranges::sort(expected, [](const auto& a, const auto& b) { return better(a, b, 0); });
  expected.resize(100);
  EXPECT_TRUE(std::ranges::equal(evolution.population(), expected,
                                 [](const auto& a, const auto& b) { return a == b; }));
}

TEST_F(EvolutionTest, ThePopulationHoldsNoNetworkTwiceAndIsSorted) {
  Evolution evolution = make(45);
  evolution.initialise(evaluator_);
  run(evolution, 15);
  std::set<space::Genome> seen;
  for (const Individual& i : evolution.population()) {
    EXPECT_EQ(i.genome, space_.canonical(i.genome));
    EXPECT_TRUE(seen.insert(i.genome).second);
  }
  EXPECT_TRUE(std::ranges::is_sorted(evolution.population(),
                                     [](const auto& a, const auto& b) { return better(a, b, 0); }));
}

TEST_F(EvolutionTest, TheBestNeverGetsWorse) {
  Evolution evolution = make(45);
  evolution.initialise(evaluator_);
  for (int g = 0; g < 15; ++g) {
    const double before = evolution.population().front().score.accuracy;
    evolution.step(evaluator_);
    EXPECT_GE(evolution.population().front().score.accuracy, before);
  }
}

TEST_F(EvolutionTest, EqualSeedsGiveEqualPopulationsAndOtherKeysOthers) {
  Evolution a = make(45), b = make(45), other_key = make(45, 7, 1), other_seed = make(45, 8);
  for (Evolution* e : {&a, &b, &other_key, &other_seed}) {
    e->initialise(evaluator_);
    run(*e, 3);
  }
  EXPECT_TRUE(same(a, b));
  EXPECT_FALSE(same(a, other_key));
  EXPECT_FALSE(same(a, other_seed));
}

TEST_F(EvolutionTest, ContinuesFromASavedPopulationAsIfItHadNeverStopped) {
  Evolution straight = make(45);
  straight.initialise(evaluator_);
  run(straight, 5);
  Evolution resumed = make(45);
  resumed.set_population(straight.population(), straight.generation());
  run(straight, 5);
  run(resumed, 5);
  EXPECT_EQ(resumed.generation(), 10);
  EXPECT_TRUE(same(straight, resumed));
}

TEST_F(EvolutionTest, ABudgetOnlyTheSmallestMeetsGivesTheSmallest) {
  const double limit = evaluator_.cost(space_.smallest(), 0);
  Evolution evolution = make(limit);
  evolution.initialise(evaluator_);
  run(evolution, 3);
  EXPECT_EQ(evaluator_.optimum(static_cast<int>(limit)), evolution.population().front().score.accuracy);
  for (const Individual& i : evolution.population()) EXPECT_LE(i.score.costs[0], limit);
}

TEST_F(EvolutionTest, ABudgetNoNetworkMeetsIsAUsageError) {
  Evolution evolution = make(evaluator_.cost(space_.smallest(), 0) - 1);
  try {
    evolution.initialise(evaluator_);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), testing::HasSubstr("cannot be met"));
  }
}

TEST_F(EvolutionTest, ImmigrantsReplaceTheWorstOnlyIfNewBetterAndWithinTheBudget) {
  Evolution evolution = make(45);
  evolution.initialise(evaluator_);
  const auto before = evolution.population();
  std::vector<Individual> strangers;
  RandomStream random(3, Purpose::test);
  while (strangers.size() < 5) {
    const space::Genome genome = random_within(space_, evaluator_, evolution.budget(), random);
    if (std::ranges::none_of(before, [&](const Individual& i) { return i.genome == genome; }))
      strangers.push_back({genome, {0, {45, 0, 0, 0, 0}}});
  }
  strangers[0].score.accuracy = 10;             // best of all
  strangers[1].score.accuracy = -1;             // worse than the worst
  strangers[2].score.accuracy = std::nan("");   // unknown
  strangers[3].score = {11, {46, 0, 0, 0, 0}};  // over the budget
  strangers[4] = before[0];                     // known
  evolution.immigrate(strangers);
  const auto& after = evolution.population();
  ASSERT_EQ(after.size(), before.size());
  EXPECT_TRUE(after[0] == strangers[0]);
  for (std::size_t i = 1; i < after.size(); ++i) EXPECT_TRUE(after[i] == before[i - 1]) << i;
}

TEST_F(EvolutionTest, EmigrantsAreTheBest) {
  Evolution evolution = make(45);
  evolution.initialise(evaluator_);
  const auto emigrants = evolution.emigrants(3);
  ASSERT_EQ(emigrants.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(emigrants[i] == evolution.population()[i]);
  EXPECT_EQ(evolution.emigrants(1000).size(), evolution.population().size());
}

TEST_F(EvolutionTest, RescoringReordersThePopulationByTheNewScores) {
  Evolution evolution = make(45);
  evolution.initialise(evaluator_);
  std::set<space::Genome> before;
  for (const Individual& i : evolution.population()) before.insert(i.genome);
  test::SeparableEvaluator other(space_, 99);
  evolution.rescore(other);
  EXPECT_EQ(evolution.generation(), 0);
  ASSERT_EQ(evolution.population().size(), before.size());
  for (const Individual& i : evolution.population()) {
    EXPECT_EQ(before.count(i.genome), 1u);
    Score score;
    other.evaluate({&i.genome, 1}, {&score, 1});
    EXPECT_EQ(i.score.accuracy, score.accuracy);
  }
}

/// Gives no number for genomes whose first block has the large kernel, or for all.
class HoleyEvaluator : public test::SeparableEvaluator {
 public:
  HoleyEvaluator(const space::SearchSpace& space, bool all) : SeparableEvaluator(space), all_(all) {}
  void evaluate(std::span<const space::Genome> genomes, std::span<Score> scores) override {
    SeparableEvaluator::evaluate(genomes, scores);
    for (std::size_t i = 0; i < genomes.size(); ++i)
      if (all_ || genomes[i].blocks[0].kernel > 0) scores[i].accuracy = std::nan("");
  }

 private:
  bool all_;
};

TEST_F(EvolutionTest, AnAccuracyThatIsNoNumberIsNeverSelected) {
  HoleyEvaluator holey(space_, false);
  Evolution evolution = make(45);
  evolution.initialise(holey);
  for (int g = 0; g < 5; ++g) evolution.step(holey);
  for (const Individual& i : evolution.population()) EXPECT_EQ(i.genome.blocks[0].kernel, 0);

  HoleyEvaluator empty(space_, true);
  Evolution lost = make(45);
  EXPECT_THROW(lost.initialise(empty), Error);
}

TEST_F(EvolutionTest, ASpaceOfFewNetworksIsSearchedWithoutRepeats) {
  space::SpaceOptions tiny;
  tiny.stages = {{8, 2, {1}, {3, 5}, 1, 1}};
  tiny.stem_width = 8;
  tiny.bits = {8};
  const space::SearchSpace space(tiny);  // two networks
  test::SeparableEvaluator evaluator(space);
  Evolution evolution(space, {0, 1000, "cost"}, options_, 1, 0);
  evolution.initialise(evaluator);
  for (int g = 0; g < 3; ++g) evolution.step(evaluator);
  EXPECT_EQ(evolution.population().size(), 2u);
  EXPECT_EQ(evaluator.evaluated.size(), 2u);
}

TEST_F(EvolutionTest, OptionsThatMakeNoSenseAreUsageErrors) {
  const auto rejects = [&](auto&& change) {
    EvolutionOptions options;
    change(options);
    try {
      Evolution(space_, {0, 45, "cost"}, options, 1, 0);
      return false;
    } catch (const Error& error) {
      return error.kind() == ErrorKind::usage;
    }
  };
  EXPECT_TRUE(rejects([](auto& o) { o.elites = 0; }));
  EXPECT_TRUE(rejects([](auto& o) { o.elites = o.population + 1; }));
  EXPECT_TRUE(rejects([](auto& o) { o.mutants = o.crossovers = 0; }));
  EXPECT_TRUE(rejects([](auto& o) { o.mutants = -1; }));
  EXPECT_TRUE(rejects([](auto& o) { o.mutation_rate = 0; }));
  EXPECT_TRUE(rejects([](auto& o) { o.mutation_rate = std::nan(""); }));
}

TEST(Better, OrdersByAccuracyThenCostThenGenome) {
  const Individual low{{{0}, {}}, {0.5, {1}}}, high{{{0}, {}}, {0.6, {9}}};
  const Individual dear{{{0}, {}}, {0.5, {2}}}, later{{{1}, {}}, {0.5, {1}}};
  EXPECT_TRUE(better(high, low, 0));
  EXPECT_TRUE(better(low, dear, 0));
  EXPECT_TRUE(better(low, later, 0));
  EXPECT_FALSE(better(low, low, 0));
}

}  // namespace
}  // namespace apq::search
