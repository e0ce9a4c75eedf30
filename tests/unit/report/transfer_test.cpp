// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/report/transfer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apq/core/error.hpp"
#include "report/transfer_curves.hpp"

namespace apq::report {
namespace {

using testing::HasSubstr;

Curve curve(const std::map<int, double>& medians) {
  Curve result;
  for (const auto& [pairs, median] : medians)
    result[pairs] = {{"1", median - 0.01}, {"2", median}, {"3", median + 0.02}};
  return result;
}

TEST(TransferReport, PairsNeededLieOnALineOverTheLogarithm) {
  EXPECT_EQ(pairs_needed(curve({{50, 0.8}, {200, 0.9}}), 0.85), "100");  // halfway between 50 and 200
  EXPECT_EQ(pairs_needed(curve({{10, 0.7}, {100, 0.8}, {1000, 0.9}}), 0.85), "316");
  EXPECT_EQ(pairs_needed(curve({{10, 0.7}, {100, 0.85}}), 0.85), "100");
}

TEST(TransferReport, BeyondWhatWasMeasuredItSaysSo) {
  EXPECT_EQ(pairs_needed(curve({{50, 0.9}, {200, 0.95}}), 0.85), "at most 50");
  EXPECT_EQ(pairs_needed(curve({{50, 0.7}, {200, 0.84}}), 0.85), "not reached");
}

TEST(TransferReport, TheHeadlineHasTheLeadInPoints) {
  const std::string text =
      transfer_headline(curve({{50, 0.8}, {100, 0.88}}), curve({{50, 0.7}, {100, 0.84}}));
  EXPECT_THAT(text, HasSubstr("100 int8 pairs: +4.0 points"));
  EXPECT_THAT(text, HasSubstr("88.0 % against 84.0 %"));
  EXPECT_THAT(text, HasSubstr("transfer 77, scratch not reached"));
  EXPECT_THAT(transfer_headline(curve({{50, 0.8}}), curve({{50, 0.7}})),
              HasSubstr("100 int8 pairs: not measured"));
}

TEST(TransferReport, TheMedianOfAnEvenNumberOfSeedsIsTheMeanOfTheMiddleTwo) {
  EXPECT_DOUBLE_EQ(median({{"1", 0.1}, {"2", 0.4}, {"3", 0.2}}), 0.2);
  EXPECT_DOUBLE_EQ(median({{"1", 0.1}, {"2", 0.4}, {"3", 0.2}, {"4", 0.3}}), 0.25);
}

TEST(TransferReport, CurvesAreReadByNameAndNonsenseIsADataError) {
  const std::string header = "pairs,init,seed,rmse,kendall_tau,pairwise_accuracy\n";
  const auto curves = read_curves(
      io::parse_csv(header + "50,transfer,1,0,0,0.8\n50,scratch,1,0,0,0.7\n100,transfer,1,0,0,0.9\n", "x"),
      "x");
  ASSERT_EQ(curves.size(), 2u);
  EXPECT_EQ(curves[0].name, "transfer");
  EXPECT_EQ(curves[0].curve.at(100).at("1"), 0.9);
  EXPECT_EQ(curves[1].curve.at(50).at("1"), 0.7);
  EXPECT_THROW(read_curves(io::parse_csv(header + "50,transfer,1,0,0,many\n", "x"), "x"), Error);
}

}  // namespace
}  // namespace apq::report
