// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/pairs_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apq/core/error.hpp"

namespace apq::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

PairsFile example() {
  PairsFile pairs;
  pairs.recipe = {"space=a, b", "data.hash=0123", "pairs.qat.steps=60"};
  pairs.sources = {"apq 0.1.0, configuration 4567"};
  pairs.rows = {{"fp32", 0.9, "k3w8"}, {"sample", 0.8, "k3w8p8.8d8.8"}, {"elite", 0.85, "k5w8p8.8d8.8"}};
  return pairs;
}

std::string refusal(const std::string& text) {
  try {
    parse_pairs(text, "some.csv");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    return error.what();
  }
  return "";
}

TEST(PairsFile, WhatIsWrittenIsReadBack) {
  const std::string text = pairs_text(example());
  EXPECT_EQ(
      text,
      "# apq pairs 1\n# space=a, b\n# data.hash=0123\n# pairs.qat.steps=60\n# by apq 0.1.0, configuration "
      "4567\nkind,accuracy_validation,genome\nfp32,0.9,k3w8\nsample,0.8,k3w8p8.8d8.8\nelite,0.85,"
      "k5w8p8.8d8.8\n");
  const PairsFile read = parse_pairs(text, "some.csv");
  EXPECT_EQ(read.recipe, example().recipe);
  EXPECT_EQ(read.sources, example().sources);
  EXPECT_EQ(pairs_text(read), text);
}

TEST(PairsFile, DefectsAreNamedWithTheirLine) {
  const std::string head = "# apq pairs 1\n# space=a\nkind,accuracy_validation,genome\n";
  EXPECT_EQ(refusal(head + "fp32,0.9,k3w8\n"), "");
  EXPECT_THAT(refusal("kind,accuracy_validation,genome\n"), HasSubstr("apq pairs export"));
  EXPECT_THAT(refusal("# apq pairs 2\n"), HasSubstr("begins with \"# apq pairs 2\""));
  EXPECT_THAT(refusal("# apq pairs 1\n# nonsense\n"), HasSubstr("line 2"));
  EXPECT_THAT(refusal(head + "fp32,0.9,k3w8\nint4,0.9,k3w8\n"), HasSubstr("line 5: kind is \"int4\""));
  EXPECT_THAT(refusal(head + "fp32,90,k3w8\n"), HasSubstr("line 4: accuracy is \"90\""));
  EXPECT_THAT(refusal(head + "fp32,0.9x,k3w8\n"), HasSubstr("line 4: accuracy is \"0.9x\""));
  EXPECT_THAT(refusal(head + "fp32,0.9,\n"), HasSubstr("line 4"));
}

TEST(PairsFile, ANetworkWithSeveralLabelsGetsTheirMean) {
  PairsFile other = example();
  other.sources = {"apq 0.1.0, configuration 89ab"};
  other.rows = {{"elite", 0.7, "k3w8p8.8d8.8"}, {"fp32", 0.6, "k7w8"}};
  const Merged merged = merge({example(), other});
  EXPECT_EQ(merged.repeated, 1);
  EXPECT_NEAR(merged.largest_difference, 0.1, 1e-12);
  EXPECT_THAT(merged.pairs.sources,
              ElementsAre("apq 0.1.0, configuration 4567", "apq 0.1.0, configuration 89ab"));
  ASSERT_EQ(merged.pairs.rows.size(), 4u);
  EXPECT_EQ(merged.pairs.rows[1].kind, "sample");  // as it was first
  EXPECT_NEAR(merged.pairs.rows[1].accuracy, 0.75, 1e-12);
  EXPECT_EQ(merged.pairs.rows[3].genome, "k7w8");
}

TEST(PairsFile, TheSamePairsAgainChangeNothing) {
  const Merged merged = merge({example(), example(), example()});
  EXPECT_EQ(merged.repeated, 6);
  EXPECT_EQ(merged.largest_difference, 0);
  EXPECT_EQ(pairs_text(merged.pairs), pairs_text(example()));
}

// A float and an integer label of one text are two things.
TEST(PairsFile, FloatAndIntegerLabelsAreKeptApart) {
  PairsFile pairs = example();
  pairs.rows = {{"fp32", 0.9, "k3w8p8.8d8.8"}, {"sample", 0.8, "k3w8p8.8d8.8"}};
  EXPECT_EQ(merge({pairs}).repeated, 0);
}

TEST(PairsFile, TheRecipeHasWhatLabelsDependOnAndNothingElse) {
  config::Config config;
  config.space.stages = {space::StageOptions{}};
  const space::SearchSpace space(config.space);
  const auto recipe = [&] { return label_recipe(config, space, "d", "s").recipe; };
  const auto before = recipe();
  EXPECT_THAT(before, testing::Contains("pairs.qat.steps=200"));
  EXPECT_THAT(before, testing::Contains("data.hash=d"));
  config.pairs.int8 = 1000;  // how many, not how
  config.data.path = "elsewhere";
  config.predictor.hidden = 7;
  EXPECT_EQ(recipe(), before);
  config.pairs.qat.steps = 51;
  EXPECT_NE(recipe(), before);
}

}  // namespace
}  // namespace apq::pipeline
