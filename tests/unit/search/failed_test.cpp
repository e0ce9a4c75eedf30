// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
// Scores that are no numbers never get anywhere, whatever the method.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "apq/core/hash.hpp"
#include "apq/search/algorithm.hpp"
#include "apq/search/pareto.hpp"
#include "support/separable_evaluator.hpp"
#include "support/small_space.hpp"

namespace apq::search {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// A third of all genomes, always the same ones, have no accuracy, an infinite one, or no cost.
class FailingEvaluator final : public test::SeparableEvaluator {
 public:
  using SeparableEvaluator::SeparableEvaluator;
  void evaluate(std::span<const space::Genome> genomes, std::span<Score> scores) override {
    SeparableEvaluator::evaluate(genomes, scores);
    for (std::size_t i = 0; i < genomes.size(); ++i) {
      switch (fate(genomes[i])) {
        case 0:
          scores[i].accuracy = kNan;
          break;
        case 1:
          scores[i].accuracy = std::numeric_limits<double>::infinity();
          break;
        case 2:
          scores[i].costs[0] = kNan;
          break;
        case 3:
          scores[i].costs[1] = kNan;
          break;
        default:
          break;
      }
      failed += fate(genomes[i]) < 4;
    }
  }
  static std::uint64_t fate(const space::Genome& genome) {
    return hash_bytes(std::as_bytes(std::span(genome.blocks)),
                      hash_bytes(std::as_bytes(std::span(genome.depth)))) %
           12;
  }

  int failed = 0;
};

TEST(ScoresThatAreNoNumbers, NeverEnterAPopulation) {
  const space::SearchSpace space(test::small_space_options());
  for (const std::string& name : algorithms())
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      FailingEvaluator evaluator(space, seed);
      const auto method =
          make_algorithm(name, space, {0, 60, "cost", -1, {{1, 110}}}, {40, 10, 20, 20, 0.1, {1}}, seed, 0);
      method->initialise(evaluator);
      for (int g = 0; g < 20; ++g) {
        method->step(evaluator);
        for (const Individual& individual : method->population()) {
          ASSERT_TRUE(std::isfinite(individual.score.accuracy)) << name;
          ASSERT_TRUE(std::isfinite(individual.score.costs[0]) && std::isfinite(individual.score.costs[1]))
              << name;
        }
      }
      EXPECT_GT(evaluator.failed, 100) << name;
      ASSERT_FALSE(method->emigrants(40).empty());
      for (const std::size_t i : pareto_front(method->population(), 0))
        EXPECT_GE(FailingEvaluator::fate(method->population()[i].genome), 4);
    }
}

TEST(ScoresThatAreNoNumbers, AddNothingToTheHypervolume) {
  const space::SearchSpace space(test::small_space_options());
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    FailingEvaluator evaluator(space, seed);
    RandomStream random(seed, Purpose::test);
    std::vector<space::Genome> genomes;
    for (int i = 0; i < 60; ++i) genomes.push_back(space.canonical(space.sample(random)));
    std::vector<Score> scores(genomes.size());
    evaluator.evaluate(genomes, scores);
    std::vector<Individual> all, sound;
    for (std::size_t i = 0; i < genomes.size(); ++i) {
      all.push_back({genomes[i], scores[i]});
      if (std::isfinite(scores[i].accuracy + scores[i].costs[0])) sound.push_back(all.back());
    }
    ASSERT_LT(sound.size(), all.size());
    EXPECT_EQ(hypervolume(all, 0, 0, 200), hypervolume(sound, 0, 0, 200));
  }
}

}  // namespace
}  // namespace apq::search
