// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "apq/core/error.hpp"
#include "report/label_recipes.hpp"

namespace apq::report {
namespace {

constexpr const char* kHeader =
    "network,kind,recipe,seed,steps,recalibration_images,images,bitops_g,accuracy,cpu_seconds,genome\n";

std::vector<RecipeLabels> read(const std::string& rows) {
  return read_labels(io::parse_csv(kHeader + rows, "labels.csv"), "labels.csv");
}

RecipeLabels labels(std::int64_t steps, const std::map<int, std::map<int, double>>& accuracy) {
  return {"int8", std::to_string(steps), steps, 100, 64, accuracy, {1, 2, 9}};
}

TEST(LabelReport, RecipesKeepTheirOrderAndFailedNetworksAreLeftOut) {
  const auto recipes = read(
      "0,int8,5 steps,0,5,64,100,1,0.5,2,a\n1,int8,5 steps,0,5,64,100,1,nan,3,b\n0,int8,5 "
      "steps,1,5,64,100,1,0.6,4,a\n0,fp32,float,0,0,64,100,1,0.7,1,a\n");
  ASSERT_EQ(recipes.size(), 2u);
  EXPECT_EQ(recipes[0].name, "5 steps");
  EXPECT_EQ(recipes[0].accuracy, (std::map<int, std::map<int, double>>{{0, {{0, 0.5}}}, {1, {{0, 0.6}}}}));
  EXPECT_EQ(recipes[0].seconds, (std::vector<double>{2, 3, 4}));
  EXPECT_EQ(recipes[1].kind, "fp32");
}

TEST(LabelReport, NonsenseIsADataErrorWithItsLine) {
  try {
    read("0,int8,5 steps,0,5,64,100,1,0.5,2,a\n1,int8,5 steps,0,5,64,100,1,good,3,b\n");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_THAT(error.what(), testing::HasSubstr("labels.csv line 3: accuracy is \"good\""));
  }
}

TEST(LabelReport, TheReferenceIsWhatTakesMost) {
  const auto recipes = read(
      "0,int8,long,0,900,64,100,1,0.5,2,a\n0,int8,short,0,5,64,500,1,0.5,2,a\n"
      "0,fp32,few,0,0,999,100,1,0.5,2,a\n0,fp32,many,0,0,64,500,1,0.5,2,a\n");
  EXPECT_EQ(reference_of(recipes, "int8")->name, "long");
  EXPECT_EQ(reference_of(recipes, "fp32")->name, "many");
  EXPECT_EQ(reference_of(recipes, "other"), nullptr);
}

TEST(LabelReport, FiguresAreMeansOverTheOrdersOfTheImages) {
  const RecipeLabels reference = labels(9, {{0, {{0, 0.1}, {1, 0.2}, {2, 0.3}, {3, 0.4}}}});
  // Ranks 1 2 4 3 and 2 1 3 4 of the reference's 1 2 3 4: one of six pairs swapped in each.
  const RecipeLabels recipe = labels(
      5, {{0, {{0, 0.5}, {1, 0.6}, {2, 0.9}, {3, 0.8}}}, {1, {{0, 0.6}, {1, 0.5}, {2, 0.8}, {3, 0.9}}}});
  const RecipeFigures f = figures_of(recipe, reference);
  EXPECT_EQ(f.networks, 4);
  EXPECT_DOUBLE_EQ(f.seconds, 2);
  EXPECT_NEAR(f.mean, 0.7, 1e-12);
  EXPECT_NEAR(f.deviation, std::sqrt((0.04 + 0.01 + 0.04 + 0.01) / 3), 1e-12);
  EXPECT_NEAR(f.spearman, 0.8, 1e-12);  // 1 - 6 * 2 / (4 * 15)
  EXPECT_NEAR(f.kendall_tau, 4.0 / 6, 1e-12);
  EXPECT_NEAR(f.pairwise_accuracy, 5.0 / 6, 1e-12);
  EXPECT_NEAR(f.repeat_spearman, 0.6, 1e-12);  // ranks 1 2 4 3 against 2 1 3 4
  EXPECT_NEAR(f.repeat_pairwise_accuracy, 4.0 / 6, 1e-12);
  EXPECT_LE(f.spearman_low, f.spearman);
  EXPECT_GE(f.spearman_high, f.spearman);
}

TEST(LabelReport, OnlyNetworksThatTheReferenceHasAreCompared) {
  const RecipeLabels reference = labels(9, {{0, {{1, 0.2}, {2, 0.3}, {3, 0.4}}}});
  const RecipeFigures f = figures_of(labels(5, {{0, {{0, 0.9}, {1, 0.5}, {2, 0.6}, {3, 0.7}}}}), reference);
  EXPECT_EQ(f.networks, 3);
  EXPECT_DOUBLE_EQ(f.spearman, 1);
  EXPECT_TRUE(std::isnan(f.repeat_spearman));
  EXPECT_EQ(figures_of(labels(5, {{0, {{7, 0.9}}}}), reference).networks, 0);
}

}  // namespace
}  // namespace apq::report
