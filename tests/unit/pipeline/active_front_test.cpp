// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/active_front.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "apq/core/error.hpp"
#include "apq/core/random.hpp"
#include "apq/hw/bitfusion.hpp"
#include "support/small_space.hpp"

namespace apq::pipeline {
namespace {

using testing::HasSubstr;

constexpr double kFailed = std::numeric_limits<double>::quiet_NaN();
constexpr int kLatency = static_cast<int>(hw::Metric::latency_ms);

class ActiveFront : public testing::Test {
 protected:
  ActiveFront() {
    for (std::uint64_t i = 0; i < 4; ++i) {
      RandomStream random(i, Purpose::test);
      genomes_.push_back(space_.canonical(space_.sample(random)));
    }
    std::ranges::sort(genomes_, {}, [&](const space::Genome& g) { return cost(g); });
  }
  double cost(const space::Genome& genome) const { return costs_.cost(genome, hw::Metric::latency_ms); }
  std::string text(std::size_t i) const { return space_.to_text(genomes_[i]); }
  /// From cost `floor` to `limit`.
  static search::Budget budget(const std::string& name, double floor, double limit) {
    return {.metric = kLatency, .limit = limit, .name = name, .floor = floor};
  }

  space::SearchSpace space_{apq::test::small_space_options()};
  hw::CostModel costs_{space_, std::make_shared<hw::BitFusion>(hw::BitFusionOptions{}),
                       hw::Counting::everything};
  std::vector<space::Genome> genomes_;  ///< by rising latency
};

TEST_F(ActiveFront, TheNetworkOfALimitIsThatOfHighestPredictionWithin) {
  io::CsvWriter history({"budget", "generation_left", "accuracy_predicted", "cost", "genome"});
  history.row({"a", "", "0.6", "0.5", text(0)});
  history.row({"a", "", "0.8", "2", text(2)});
  history.row({"a", "", "0.7", "1", text(1)});
  history.row({"a", "7", "0.9", "0.5", text(3)});  // left the front
  history.row({"b", "", "0.9", "0.5", text(3)});
  const auto front = choose_front(io::parse_csv(history.text(), "here"), "here", space_,
                                  {budget("a", 0, 3), budget("b", 0, 0.4)}, 3);
  ASSERT_EQ(front.size(), 3u);  // nothing of b costs so little
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(front[k].genome, genomes_[std::min<std::size_t>(k + 1, 2)]);
    EXPECT_DOUBLE_EQ(front[k].limit, static_cast<double>(k) + 1);
  }
  EXPECT_DOUBLE_EQ(front[0].predicted, 0.7);  // costs as much as the limit
}

TEST_F(ActiveFront, OfEqualPredictionsTheCheapestIsChosen) {
  io::CsvWriter history({"budget", "generation_left", "accuracy_predicted", "cost", "genome"});
  history.row({"a", "", "0.8", "2", text(2)});
  history.row({"a", "", "0.8", "1", text(1)});
  const auto front =
      choose_front(io::parse_csv(history.text(), "here"), "here", space_, {budget("a", 0, 3)}, 1);
  ASSERT_EQ(front.size(), 1u);
  EXPECT_EQ(front[0].genome, genomes_[1]);
}

TEST_F(ActiveFront, WhatIsNoNumberIsADataError) {
  io::CsvWriter history({"budget", "generation_left", "accuracy_predicted", "cost", "genome"});
  history.row({"a", "", "much", "2", text(2)});
  try {
    choose_front(io::parse_csv(history.text(), "here"), "here", space_, {budget("a", 0, 3)}, 1);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_THAT(error.what(), HasSubstr("much"));
  }
}

TEST_F(ActiveFront, TheHypervolumeIsTheMeanAccuracyAboveTheReferenceOverTheCosts) {
  const double low = cost(genomes_[0]), high = cost(genomes_[2]);
  ASSERT_LT(low, high);
  const double range = high - low;
  const search::Budget whole = budget("a", low - range, high + range);
  const std::vector<Chosen> front{{0, 0, 0.65, 0.6, genomes_[0]}, {0, 0, 0.6, 0.7, genomes_[2]}};
  const FrontFigures f = figures_of(front, costs_, {whole}, 0.5);
  // A third of the range nothing, then 0.1 above the reference, then 0.2.
  EXPECT_NEAR(f.hypervolume, (0.1 + 0.2) / 3, 1e-12);
  EXPECT_NEAR(f.mean_accuracy, 0.65, 1e-12);
  EXPECT_DOUBLE_EQ(f.best_accuracy.at(0), 0.7);
  EXPECT_NEAR(f.mean_absolute_error, 0.075, 1e-12);
  EXPECT_NEAR(f.mean_error, -0.025, 1e-12);
  EXPECT_DOUBLE_EQ(f.pairwise_accuracy, 0);
  // From the floor on a network counts as one that costs as much.
  const FrontFigures above = figures_of(front, costs_, {budget("a", low + range / 2, high)}, 0.5);
  EXPECT_NEAR(above.hypervolume, 0.1, 1e-12);
}

TEST_F(ActiveFront, BudgetsCountAlikeAndANetworkOfOneCountsForTheOthersItIsWithin) {
  const double low = cost(genomes_[0]), high = cost(genomes_[2]);
  const std::vector<Chosen> front{{0, 0, 0, 0.6, genomes_[0]}, {1, 0, 0, 0.55, genomes_[2]}};
  const double middle = (low + high) / 2;
  const FrontFigures f =
      figures_of(front, costs_, {budget("a", 2 * low - middle, middle), budget("b", middle, high)}, 0.5);
  EXPECT_NEAR(f.hypervolume, (0.1 / 2 + 0.1) / 2, 1e-12);
}

TEST_F(ActiveFront, AFailedNetworkIsWorthNothingAndSpoilsNothing) {
  const double low = cost(genomes_[0]);
  const search::Budget whole = budget("a", low - 1, low + 1);
  const FrontFigures f =
      figures_of({{0, 0, 0.6, 0.6, genomes_[0]}, {0, 0, 0.6, kFailed, genomes_[0]}}, costs_, {whole}, 0.5);
  EXPECT_NEAR(f.hypervolume, 0.05, 1e-12);
  EXPECT_DOUBLE_EQ(f.mean_accuracy, 0.6);
  EXPECT_DOUBLE_EQ(f.mean_error, 0);
  EXPECT_TRUE(std::isnan(f.best_accuracy.at(0)));
}

}  // namespace
}  // namespace apq::pipeline
