// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/island/archipelago.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "apq/core/error.hpp"
#include "support/separable_evaluator.hpp"
#include "support/small_space.hpp"

namespace apq::island {
namespace {

class ArchipelagoTest : public testing::Test {
 protected:
  Archipelago make(const ArchipelagoOptions& options, double limit = 50) const {
    return Archipelago(*comm_, space_, {{0, limit, "a"}, {1, 80, "b"}}, evolution_, options, 11);
  }
  Archipelago run(const ArchipelagoOptions& options, int generations) {
    Archipelago archipelago = make(options);
    archipelago.initialise(evaluator_);
    for (int g = 0; g < generations; ++g) archipelago.step(evaluator_);
    return archipelago;
  }
  double best(const ArchipelagoOptions& options, int generations, int budget) {
    return run(options, generations).elites(1)[budget][0].score.accuracy;
  }

  std::unique_ptr<comm::Communicator> comm_ = comm::make_serial();
  space::SearchSpace space_{test::small_space_options()};
  test::SeparableEvaluator evaluator_{space_};
  search::EvolutionOptions evolution_{40, 10, 20, 20, 0.1};
};

std::vector<std::byte> frame(Archipelago archipelago) { return archipelago.save().to_frame("search"); }

TEST_F(ArchipelagoTest, ARunSplitBySaveAndLoadEqualsTheStraightRunByteForByte) {
  const ArchipelagoOptions options{4, "ring", 3, 4};
  const auto straight = frame(run(options, 20));
  const auto saved = io::Archive::from_frame(frame(run(options, 8)), "search", "memory");
  Archipelago resumed = make(options);
  resumed.load(saved);
  EXPECT_EQ(resumed.generation(), 8);
  for (int g = 8; g < 20; ++g) resumed.step(evaluator_);
  EXPECT_EQ(frame(std::move(resumed)), straight);
}

TEST_F(ArchipelagoTest, ASplitRunIsExactForEveryAlgorithmWhileLimitsRise) {
  for (const std::string& algorithm : search::algorithms()) {
    const auto make_spread = [&] {
      Archipelago archipelago(*comm_, space_, {{0, 50, "a", 20}, {1, 80, "b", 30}}, evolution_,
                              {4, "ring", 3, 4}, 11, algorithm);
      archipelago.open(1, 2);
      return archipelago;
    };
    const auto steps = [&](Archipelago& archipelago, int from, int to) {
      for (int g = from; g < to; ++g) {
        if (g == 10) {
          archipelago.open(2, 2);
          archipelago.rescore(evaluator_);
        }
        archipelago.step(evaluator_);
      }
    };
    Archipelago straight = make_spread();
    straight.initialise(evaluator_);
    steps(straight, 0, 20);
    const auto expected = frame(std::move(straight));
    for (const int split : {4, 8, 9, 10, 15}) {
      Archipelago first = make_spread(), then = make_spread();
      first.initialise(evaluator_);
      steps(first, 0, split);
      if (split > 10) then.open(2, 2);
      then.load(io::Archive::from_frame(frame(std::move(first)), "search", "memory"));
      steps(then, split, 20);
      EXPECT_EQ(frame(std::move(then)), expected) << algorithm << " split at " << split;
    }
  }
}

TEST_F(ArchipelagoTest, IslandsDivideTheRangeBelowALimitWhenAskedTo) {
  const double floor = 20, limit = 60;
  for (const bool spread : {true, false}) {
    ArchipelagoOptions options{4, "ring", 2, 5};
    options.spread = spread;
    Archipelago archipelago(*comm_, space_, {{0, limit, "a", floor}}, evolution_, options, 11);
    archipelago.initialise(evaluator_);
    for (int g = 0; g < 10; ++g) archipelago.step(evaluator_);
    const auto elites = archipelago.island_elites(10)[0];
    for (std::size_t i = 0; i < 4; ++i) {
      const double own = spread ? floor + (limit - floor) * static_cast<double>(i + 1) / 4 : limit;
      double dearest = 0;
      for (std::size_t k = 0; k < 10; ++k) dearest = std::max(dearest, elites[i * 10 + k].score.costs[0]);
      EXPECT_LE(dearest, own);
      EXPECT_GT(dearest, own - 12);
    }
  }
}

TEST_F(ArchipelagoTest, LimitsRiseRoundByRoundFromTheFloorItself) {
  const double floor = 20, limit = 60;
  Archipelago archipelago(*comm_, space_, {{0, limit, "a", floor}}, evolution_, {4, "ring", 2, 5}, 11);
  archipelago.open(1, 2);
  archipelago.initialise(evaluator_);
  for (const int round : {1, 2}) {
    archipelago.open(round, 2);
    for (int g = 0; g < 10; ++g) archipelago.step(evaluator_);
    const auto best = archipelago.island_elites(1)[0];
    for (std::size_t i = 0; i < 4; ++i) {
      const double share = i == 0 ? round - 1 : round / 2.0;
      const double own = floor + (limit - floor) * (static_cast<double>(i) + share) / 4;
      EXPECT_LE(best[i].score.costs[0], own);
      EXPECT_GT(best[i].score.costs[0], own - 5);
    }
  }
}

TEST_F(ArchipelagoTest, WithoutMigrationIslandsDoNotDependOnEachOther) {
  for (const ArchipelagoOptions& options :
       {ArchipelagoOptions{4, "none", 2, 5}, {4, "ring", 0, 5}, {4, "ring", 2, 0}}) {
    auto many = run(options, 6).island_elites(10);
    auto one = run({1, "none", 0, 0}, 6).island_elites(10);
    for (std::size_t b = 0; b < 2; ++b) {
      many[b].resize(10);
      EXPECT_EQ(encode(many[b]), encode(one[b]));
    }
  }
}

/// [budget][island * 40 + k], as island_elites(40) has it.
using Everybody = std::vector<std::vector<search::Individual>>;

/// Whoever of four islands without migration and of the five best of the island before, at an earlier
/// generation, is among the 40 best.
Everybody with_migrants(const Everybody& apart, const Everybody& earlier) {
  const int metrics[] = {0, 1};
  Everybody expected(2);
  for (std::size_t b = 0; b < 2; ++b)
    for (int island = 0; island < 4; ++island) {
      const auto of = [&](const Everybody& all, int i) {
        return std::vector<search::Individual>(all[b].begin() + 40 * i, all[b].begin() + 40 * (i + 1));
      };
      auto population = of(apart, island);
      std::set<space::Genome> known;
      for (const auto& i : population) known.insert(i.genome);
      const auto source = of(earlier, (island + 3) % 4);
      for (int k = 0; k < 5; ++k)
        if (known.insert(source[k].genome).second) population.push_back(source[k]);
      std::ranges::sort(population,
                        [&](const auto& x, const auto& y) { return search::better(x, y, metrics[b]); });
      expected[b].insert(expected[b].end(), population.begin(), population.begin() + 40);
    }
  return expected;
}

void expect_equal(const Everybody& got, const Everybody& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t b = 0; b < got.size(); ++b) EXPECT_EQ(encode(got[b]), encode(expected[b])) << b;
}

TEST_F(ArchipelagoTest, MigrantsFollowTheTopologyAndArriveOneIntervalLater) {
  for (const int interval : {1, 3}) {
    const ArchipelagoOptions apart{4, "none", interval, 5}, ring{4, "ring", interval, 5};
    const auto earlier = run(apart, interval).island_elites(40);
    expect_equal(run(ring, 2 * interval - 1).island_elites(40),
                 run(apart, 2 * interval - 1).island_elites(40));
    expect_equal(run(ring, 2 * interval).island_elites(40),
                 with_migrants(run(apart, 2 * interval).island_elites(40), earlier));
  }
}

TEST_F(ArchipelagoTest, MigrationHappensOnlyWhenDue) {
  EXPECT_EQ(frame(run({4, "ring", 5, 5}, 4)), frame(run({4, "none", 5, 5}, 4)));
  EXPECT_NE(frame(run({4, "ring", 5, 5}, 5)), frame(run({4, "none", 5, 5}, 5)));  // some are on their way
}

TEST_F(ArchipelagoTest, MigrantsOnTheirWayArriveBeforeEverybodyIsScoredAgain) {
  const auto apart = run({4, "none", 3, 5}, 5).island_elites(40);
  const auto earlier = run({4, "none", 3, 5}, 3).island_elites(40);
  Archipelago archipelago = run({4, "ring", 3, 5}, 5);
  archipelago.rescore(evaluator_);
  expect_equal(archipelago.island_elites(40), with_migrants(apart, earlier));
  archipelago.step(evaluator_);  // the next leave, and nobody arrives twice
  const auto saved = frame(std::move(archipelago));
  Archipelago resumed = make({4, "ring", 3, 5});
  resumed.load(io::Archive::from_frame(saved, "search", "memory"));
  EXPECT_EQ(frame(std::move(resumed)), saved);
}

TEST_F(ArchipelagoTest, ElitesAreTheBestOfAllIslandsWithoutRepeats) {
  Archipelago archipelago = run({3, "fully_connected", 1, 5}, 4);
  const auto best = archipelago.elites(12);
  const auto all = archipelago.island_elites(40);
  for (std::size_t b = 0; b < 2; ++b) {
    std::vector<search::Individual> expected;
    std::set<space::Genome> known;
    auto sorted = all[b];
    std::ranges::stable_sort(
        sorted, [&](const auto& x, const auto& y) { return search::better(x, y, static_cast<int>(b)); });
    for (const auto& individual : sorted)
      if (expected.size() < 12 && known.insert(individual.genome).second) expected.push_back(individual);
    EXPECT_EQ(encode(best[b]), encode(expected));
  }
}

TEST_F(ArchipelagoTest, EveryBudgetIsKeptOnEveryIsland) {
  const auto all = run({3, "ring", 2, 5}, 10).island_elites(40);
  for (const auto& i : all[0]) EXPECT_LE(evaluator_.cost(i.genome, 0), 50);
  for (const auto& i : all[1]) EXPECT_LE(evaluator_.cost(i.genome, 1), 80);
}

TEST_F(ArchipelagoTest, HistoryHasOneSortedRowPerGenerationIslandAndBudget) {
  Archipelago archipelago = run({3, "ring", 2, 5}, 6);
  const auto rows = archipelago.history();
  ASSERT_EQ(rows.size(), 7u * 3 * 2);
  std::size_t r = 0;
  for (int g = 0; g <= 6; ++g)
    for (int island = 0; island < 3; ++island)
      for (int budget = 0; budget < 2; ++budget, ++r) {
        EXPECT_EQ(rows[r].generation, g);
        EXPECT_EQ(rows[r].island, island);
        EXPECT_EQ(rows[r].budget, budget);
      }
  const auto all = archipelago.island_elites(40);
  for (int budget = 0; budget < 2; ++budget)
    for (int island = 0; island < 3; ++island) {
      const HistoryRow& row = rows[static_cast<std::size_t>(6 * 6 + 2 * island + budget)];
      double mean = 0;
      for (int k = 0; k < 40; ++k) mean += all[budget][40 * island + k].score.accuracy / 40;
      EXPECT_NEAR(row.mean_accuracy, mean, 1e-12);
      EXPECT_EQ(row.best_accuracy, all[budget][40 * island].score.accuracy);
      EXPECT_EQ(row.best_cost, all[budget][40 * island].score.costs[budget]);
    }
}

TEST_F(ArchipelagoTest, RescoringGivesEverybodyTheNewScores) {
  Archipelago archipelago = run({3, "ring", 2, 5}, 4);
  test::SeparableEvaluator other(space_, 77);
  archipelago.rescore(other);
  EXPECT_EQ(archipelago.generation(), 4);
  for (const auto& budget : archipelago.island_elites(40))
    for (const auto& individual : budget) {
      search::Score score;
      other.evaluate({&individual.genome, 1}, {&score, 1});
      EXPECT_EQ(individual.score.accuracy, score.accuracy);
    }
}

TEST_F(ArchipelagoTest, AStateOfOtherIslandsOrBudgetsIsRefused) {
  const auto saved = run({4, "ring", 3, 4}, 2).save();
  const auto refuses = [&](Archipelago archipelago) {
    try {
      archipelago.load(saved);
      return false;
    } catch (const Error& error) {
      return error.kind() == ErrorKind::checkpoint;
    }
  };
  EXPECT_TRUE(refuses(make({5, "ring", 3, 4})));
  EXPECT_TRUE(refuses(make({4, "ring", 3, 4}, 51)));
  EXPECT_FALSE(refuses(make({4, "torus", 9, 1})));
}

TEST_F(ArchipelagoTest, AStateWithoutMigrantsOnTheirWayIsRefused) {
  const auto saved = run({2, "ring", 3, 4}, 2).save();
  io::Archive old;  // as programs wrote it whose migrants arrived at once
  old.put("shape", saved.text("shape"));
  for (const char* island : {"island.0", "island.1"}) old.put(island, saved.bytes(island));
  try {
    make({2, "ring", 3, 4}).load(old);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::checkpoint);
    EXPECT_NE(std::string(error.what()).find("migrants"), std::string::npos) << error.what();
  }
}

TEST_F(ArchipelagoTest, OptionsThatMakeNoSenseAreUsageErrors) {
  for (const ArchipelagoOptions& options :
       {ArchipelagoOptions{0, "ring", 1, 1}, {2, "ring", -1, 1}, {2, "ring", 1, -1}, {2, "rings", 1, 1}})
    try {
      make(options);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
    }
}

TEST_F(ArchipelagoTest, IslandsFindMoreThanOneLonePopulation) {
  double gain = 0;
  for (const int budget : {0, 1})
    gain += best({4, "ring", 5, 5}, 30, budget) - best({1, "none", 0, 0}, 30, budget);
  EXPECT_GT(gain, 0);
}

TEST_F(ArchipelagoTest, IndividualsSurviveEncodingAndDecoding) {
  const auto individuals = run({1, "none", 0, 0}, 1).elites(9)[0];
  const auto back = decode(encode(individuals), space_);
  ASSERT_EQ(back.size(), individuals.size());
  for (std::size_t i = 0; i < back.size(); ++i) {
    EXPECT_EQ(back[i].genome, individuals[i].genome);
    EXPECT_EQ(back[i].score.accuracy, individuals[i].score.accuracy);
    EXPECT_EQ(back[i].score.costs, individuals[i].score.costs);
  }
}

TEST_F(ArchipelagoTest, MalformedIndividualsAreEnvironmentErrors) {
  const auto bytes = encode(run({1, "none", 0, 0}, 1).elites(3)[0]);
  const auto refuses = [&](const comm::Bytes& malformed) {
    try {
      decode(malformed, space_);
      return false;
    } catch (const Error& error) {
      return error.kind() == ErrorKind::environment;
    }
  };
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_TRUE(refuses(comm::Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)))) << n;
  auto longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_TRUE(refuses(longer));
  auto huge = bytes;
  for (int i = 0; i < 4; ++i) huge[i] = std::byte{255};  // four billion individuals
  EXPECT_TRUE(refuses(huge));
  auto foreign = bytes;
  foreign[4] = std::byte{200};  // no such depth
  EXPECT_TRUE(refuses(foreign));
}

}  // namespace
}  // namespace apq::island
