// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/config/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apq/core/error.hpp"
#include "config_files.hpp"

namespace apq::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Load : public ConfigFiles {};

TEST_F(Load, AFileWithTheLeastHasTheDefaultsOfTheStructs) {
  const Config c = load(write("least.yaml", kLeast));
  const Config plain;
  EXPECT_EQ(c.name, "least");
  EXPECT_EQ(c.seed, plain.seed);
  EXPECT_EQ(c.supernet.learning_rate, plain.supernet.learning_rate);
  EXPECT_EQ(c.search.evolution.population, plain.search.evolution.population);
  EXPECT_EQ(c.data.path, plain.data.path);
  ASSERT_EQ(c.space.stages.size(), 1u);
  EXPECT_EQ(c.space.stages[0].width, 24);
  EXPECT_THAT(c.space.stages[0].depths, ElementsAre(1, 2));
  EXPECT_THAT(c.space.stages[0].kernels, ElementsAre(3, 5, 7));
  ASSERT_EQ(c.budgets.size(), 1u);
  EXPECT_EQ(c.budgets[0].metric, "latency_ms");
  EXPECT_EQ(c.budgets[0].limit, 1.5);
}

TEST_F(Load, ReadsEveryKindOfValue) {
  const Config c = load(write("kinds.yaml", std::string(kLeast) + R"(
name: kinds-2.1
seed: 18446744073709551615
checkpoint_seconds: 2.5e1
data: {flip: false, path: "some folder/ü", train_limit: 100000000}
predictor: {learning_rate: 1e-4, hidden: 32}
)"));
  EXPECT_EQ(c.name, "kinds-2.1");
  EXPECT_EQ(c.seed, 18446744073709551615u);
  EXPECT_EQ(c.checkpoint_seconds, 25);
  EXPECT_FALSE(c.data.flip);
  EXPECT_EQ(c.data.path, "some folder/ü");
  EXPECT_EQ(c.data.train_limit, 100000000);
  EXPECT_EQ(c.predictor.learning_rate, 1e-4);
  EXPECT_EQ(c.predictor.hidden, 32);
}

TEST_F(Load, TheConfigurationsOfTheProjectAreValid) {
  const std::filesystem::path folder = std::filesystem::path(APQ_SOURCE_DIR) / "configs";
  EXPECT_EQ(load(folder / "quickstart.yaml").name, "quickstart");
  const Config fashion = load(folder / "fashion-mnist.yaml");
  EXPECT_EQ(fashion.name, "fashion-mnist");
  const Config cifar = load(folder / "cifar10.yaml");
  EXPECT_EQ(cifar.name, "cifar10");
  EXPECT_EQ(cifar.space.input_channels, 3);
  EXPECT_EQ(cifar.space.head_width, fashion.space.head_width);
  EXPECT_EQ(cifar.search.generations, fashion.search.generations);
  const Config imagenet = load(folder / "imagenet.yaml");
  // The paper's space: 21 blocks, 63 kernel and 457 width choices, 252 bit slots.
  const space::SearchSpace space(imagenet.space);
  EXPECT_EQ(space.blocks().size(), 21u);
  EXPECT_EQ(space.architecture_slots(), 520);
  EXPECT_EQ(space.bit_slots(), 252);
}

TEST_F(Load, AnOptionOverridesTheFileAndTheLastOneWins) {
  const auto file = write("o.yaml", kLeast);
  const Config c =
      load(file, {"search.generations=200", "space.bits=[2, 8]", "data.path=a=b", "seed=5", "seed=6",
                  "budgets=[{metric: params, limit: 5000}, {metric: energy_mj, limit: 2}]", "name=other",
                  "search.evolution={elites: 10, mutation_rate: 0.5}"});
  EXPECT_EQ(c.search.generations, 200);
  EXPECT_THAT(c.space.bits, ElementsAre(2, 8));
  EXPECT_EQ(c.data.path, "a=b");
  EXPECT_EQ(c.seed, 6u);
  ASSERT_EQ(c.budgets.size(), 2u);
  EXPECT_EQ(c.budgets[1].metric, "energy_mj");
  EXPECT_EQ(c.name, "other");
  EXPECT_EQ(c.search.evolution.elites, 10);
  EXPECT_EQ(c.search.evolution.mutation_rate, 0.5);
  EXPECT_EQ(c.search.evolution.population, Config{}.search.evolution.population);
}

TEST_F(Load, AFileHoldsDifferencesToTheFileItExtends) {
  write("base.yaml",
        std::string(kLeast) + "name: base\nseed: 3\nsearch: {generations: 70, random_baseline: false}\n");
  write("deep/middle.yaml", "extends: ../base.yaml\nseed: 4\n");
  const Config c = load(write("top.yaml", "extends: deep/middle.yaml\nsearch:\n  generations: 80\ndata:\n"));
  EXPECT_EQ(c.name, "top");  // the base's name is its own
  EXPECT_EQ(c.seed, 4u);
  EXPECT_EQ(c.search.generations, 80);
  EXPECT_FALSE(c.search.random_baseline);
  EXPECT_EQ(c.budgets.size(), 1u);
}

TEST_F(Load, AnErrorInABaseNamesTheBase) {
  write("base.yaml", std::string(kLeast) + "sead: 3\n");
  const std::string text = error_of(write("top.yaml", "extends: base.yaml\nseed: x\n"));
  EXPECT_THAT(text, HasSubstr("base.yaml:5:1: unknown key 'sead'"));
  EXPECT_THAT(text, HasSubstr("top.yaml:2:7: seed is 'x'"));
}

TEST_F(Load, ListsAllErrorsAtOnce) {
  const std::string text = error_of(write("many.yaml", std::string(kLeast) + R"(
sed: 1
threads: 0
data: {flip: yes, formats: idx}
predictor: {hidden: 0.5abc}
supernet: [1]
)"),
                                    {"search.generations=many", "pairs.fp3=1"});
  for (const char* part :
       {"has 8 errors", "6:1: unknown key 'sed'", "did you mean seed?", "7:10: threads is '0'",
        "8:14: data.flip is 'yes'", "8:19: unknown key 'formats'", "9:21: predictor.hidden is '0.5abc'",
        "10:11: supernet is a list", "--set 'search.generations=many': search.generations is 'many'",
        "--set 'pairs.fp3=1': unknown key 'fp3'"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST_F(Load, OneMistakeIsReportedOnce) {
  const std::string text = error_of(write("once.yaml", std::string(kLeast) + "search: {generations: ten}\n"));
  EXPECT_THAT(text, HasSubstr("search.generations is 'ten'"));
  EXPECT_THAT(text, Not(HasSubstr("errors")));
}

TEST_F(Load, ManyErrorsAreCutShort) {
  std::string keys;
  for (int i = 0; i < 2000; ++i) keys += "unknown" + std::to_string(i) + ": 1\n";
  const std::string text = error_of(write("flood.yaml", std::string(kLeast) + keys));
  EXPECT_THAT(text, HasSubstr("has 2000 errors"));
  EXPECT_THAT(text, HasSubstr("and 1900 more"));
}

TEST(FolderName, LimitsNamesToWhatIsSafeAsAFolder) {
  for (const char* good : {"run", "a", "Run_2.1-b", "0"}) EXPECT_EQ(folder_name_problem(good), "") << good;
  for (const std::string& bad :
       {std::string(), std::string("-x"), std::string(".x"), std::string(".."), std::string("a b"),
        std::string("a/b"), std::string("a\nb"), std::string("ü"), std::string("a\0b", 3),
        std::string(101, 'x'), std::string("$(x)")})
    EXPECT_NE(folder_name_problem(bad), "") << bad;
}

}  // namespace
}  // namespace apq::config
