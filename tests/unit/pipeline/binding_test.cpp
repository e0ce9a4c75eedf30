// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/binding.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apq::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Binding, HostsThatAreAlikeShareALine) {
  std::vector<Place> ranks;
  for (const char* host : {"a1", "a2", "a3", "a4", "a5"})
    for (const auto& cpus : {std::vector{0, 1}, std::vector{2, 3, 8}}) ranks.push_back({host, cpus, 0});
  const Binding binding = describe_binding(ranks, 2);
  EXPECT_EQ(binding.hosts, 5);
  EXPECT_THAT(binding.layout,
              ElementsAre("binding on a1, a2, a3 and 2 more: 2 ranks x 2 threads on CPUs 0-1 | 2-3,8"));
  EXPECT_THAT(binding.warnings, IsEmpty());
}

TEST(Binding, RanksOnTheSameCpusAreSaidToShareThem) {
  const Binding binding = describe_binding({{"a", {0, 1}, 0}, {"a", {0, 1}, 0}}, 1);
  EXPECT_THAT(binding.layout,
              ElementsAre("binding on a: 2 ranks x 1 threads on CPUs 0-1, shared by all ranks"));
  EXPECT_THAT(binding.warnings, IsEmpty());
}

TEST(Binding, MoreThreadsThanCpusAreWarnedOf) {
  EXPECT_THAT(describe_binding({{"a", {0, 1}, 0}, {"a", {0, 1}, 0}}, 2).warnings,
              ElementsAre(HasSubstr("a: 2 ranks x 2 threads, but 2 CPUs")));
  // A rank bound to one core with two threads, as mpirun does without PE=2.
  EXPECT_THAT(describe_binding({{"a", {3}, 0}}, 2).warnings,
              ElementsAre(HasSubstr("1 ranks x 2 threads, but 1")));
}

TEST(Binding, CpusTheJobWasNotGivenDoNotCount) {
  const std::vector<int> whole_node{0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_THAT(describe_binding({{"a", whole_node, 2}, {"a", whole_node, 2}}, 2).warnings,
              ElementsAre(HasSubstr("but 2 CPUs")));
  EXPECT_THAT(describe_binding({{"a", whole_node, 4}, {"a", whole_node, 4}}, 2).warnings, IsEmpty());
}

TEST(Binding, OnlyTheHostsThatLackCpusAreNamed) {
  const Binding binding = describe_binding({{"a", {0, 1}, 0}, {"b", {0}, 0}}, 2);
  EXPECT_EQ(binding.layout.size(), 2U);
  EXPECT_THAT(binding.warnings, ElementsAre(HasSubstr("b: 1 ranks")));
}

}  // namespace
}  // namespace apq::pipeline
