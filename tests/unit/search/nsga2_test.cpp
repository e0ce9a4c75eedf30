// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "apq/core/error.hpp"
#include "apq/search/algorithm.hpp"
#include "apq/search/front.hpp"
#include "apq/search/pareto.hpp"
#include "apq/search/scorer.hpp"
#include "support/separable_evaluator.hpp"
#include "support/small_space.hpp"

namespace apq::search {
namespace {

/// A space of 2 x 3 x 3^4 networks of one block and as many pairs of them: small enough to enumerate.
space::SpaceOptions enumerable() {
  space::SpaceOptions options;
  options.stem_width = 8;
  options.stages = {{8, 2, {1, 2}, {3, 5}, 1, 2}};
  options.bits = {4, 8};
  return options;
}

/// Every network of the space, by its genes.
std::vector<space::Genome> all_networks(const space::SearchSpace& space) {
  std::vector<space::Genome> genomes{space.smallest()};
  const auto vary = [&](auto&& gene, std::size_t choices) {
    const std::vector<space::Genome> before = std::move(genomes);
    genomes.clear();
    for (const space::Genome& genome : before)
      for (std::size_t i = 0; i < choices; ++i) {
        genomes.push_back(genome);
        gene(genomes.back()) = static_cast<std::uint8_t>(i);
      }
  };
  vary(
      [](auto& g) -> auto& { return g.depth[0]; }, 2);
  for (std::size_t b = 0; b < 2; ++b) {
    vary(
        [b](auto& g) -> auto& { return g.blocks[b].kernel; }, space.blocks()[b].kernels.size());
    vary(
        [b](auto& g) -> auto& { return g.blocks[b].width; }, space.blocks()[b].widths.size());
    for (int gene = 0; gene < space::kBitGenes; ++gene)
      vary(
          [ b, gene ](auto& g) -> auto& { return g.blocks[b].bits[gene]; }, 2);
  }
  std::set<space::Genome> unique;
  for (const space::Genome& genome : genomes) unique.insert(space.canonical(genome));
  return {unique.begin(), unique.end()};
}

std::vector<Individual> scored(Evaluator& evaluator, const std::vector<space::Genome>& genomes) {
  std::vector<Score> scores(genomes.size());
  evaluator.evaluate(genomes, scores);
  std::vector<Individual> individuals;
  for (std::size_t i = 0; i < genomes.size(); ++i) individuals.push_back({genomes[i], scores[i]});
  return individuals;
}

std::set<std::pair<double, double>> front_points(const std::vector<Individual>& individuals, double limit) {
  std::vector<Individual> feasible;
  for (const Individual& i : individuals)
    if (i.score.costs[0] <= limit) feasible.push_back(i);
  std::set<std::pair<double, double>> points;
  for (const std::size_t i : pareto_front(feasible, 0))
    points.emplace(feasible[i].score.costs[0], feasible[i].score.accuracy);
  return points;
}

TEST(Nsga2, FindsTheExactFrontOfASpaceThatCanBeEnumerated) {
  const space::SearchSpace space(enumerable());
  for (const std::uint64_t seed : {1, 2, 3}) {
    test::SeparableEvaluator evaluator(space, seed);
    const auto everything = scored(evaluator, all_networks(space));
    ASSERT_GT(everything.size(), 1000u);
    for (const double limit : {14.0, 20.0, 1000.0}) {
      const auto exact = front_points(everything, limit);
      const auto nsga2 = make_algorithm("nsga2", space, {0, limit, "cost"}, {}, seed, 0);
      nsga2->initialise(evaluator);
      for (int g = 0; g < 60; ++g) nsga2->step(evaluator);
      EXPECT_EQ(front_points(nsga2->population(), limit), exact) << seed << " " << limit;
      EXPECT_GT(exact.size(), 2u);
    }
  }
}

TEST(Nsga2, WhoeverIsOverTheBudgetComesLast) {
  const space::SearchSpace space(test::small_space_options());
  test::SeparableEvaluator evaluator(space);
  const auto nsga2 = make_algorithm("nsga2", space, {0, 40, "cost"}, {}, 1, 0);
  nsga2->initialise(evaluator);
  for (int g = 0; g < 5; ++g) {
    nsga2->step(evaluator);
    EXPECT_TRUE(std::ranges::is_partitioned(nsga2->population(),
                                            [](const Individual& i) { return i.score.costs[0] <= 40; }));
    for (const Individual& i : nsga2->emigrants(1000)) EXPECT_LE(i.score.costs[0], 40);
  }
}

TEST(Algorithms, EvolutionAndNsga2BeatRandomSearchAtEqualEvaluations) {
  const space::SearchSpace space(test::small_space_options());
  test::SeparableEvaluator evaluator(space, 3);
  const auto best = [&](const std::string& name) {
    const auto algorithm = make_algorithm(name, space, {0, 60, "cost"}, {}, 5, 0);
    algorithm->initialise(evaluator);
    for (int g = 0; g < 30; ++g) algorithm->step(evaluator);
    EXPECT_EQ(algorithm->generation(), 30);
    double accuracy = 0;
    for (const Individual& i : algorithm->emigrants(1000)) accuracy = std::max(accuracy, i.score.accuracy);
    return accuracy;
  };
  const double random = best("random");
  EXPECT_GT(best("evolution"), random);
  EXPECT_GT(best("nsga2"), random);
  EXPECT_THROW(make_algorithm("annealing", space, {0, 60, "cost"}, {}, 5, 0), Error);
}

/// The same networks, but the fewest genes cost most: the space's smallest network is the dearest.
class Reversed final : public test::SeparableEvaluator {
 public:
  using SeparableEvaluator::SeparableEvaluator;
  double cost(const space::Genome& genome, int metric) const override {
    return 1000 - SeparableEvaluator::cost(genome, metric);
  }
};

TEST(RandomSearch, MeetsABudgetThatTheSmallestGenomeDoesNot) {
  const space::SearchSpace space(test::small_space_options());
  Reversed evaluator(space);
  const space::Genome cheapest = space.largest();
  const double limit = evaluator.cost(cheapest, 0) + 2;
  ASSERT_GT(evaluator.cost(space.smallest(), 0), limit);
  const auto random = make_algorithm("random", space, {0, limit, "cost", -1, {}, cheapest}, {}, 1, 0);
  random->initialise(evaluator);
  for (int g = 0; g < 3; ++g) random->step(evaluator);
  for (const space::Genome& genome : evaluator.evaluated) EXPECT_LE(evaluator.cost(genome, 0), limit);
}

TEST(RandomSearch, DrawsTheSameNetworksWhateverTheirAccuracies) {
  const space::SearchSpace space(test::small_space_options());
  std::vector<std::set<space::Genome>> seen;
  for (const std::uint64_t world : {1, 2}) {
    // Costs are the same in both worlds, accuracies are not.
    Reversed evaluator(space, world);
    const double limit = evaluator.cost(space.largest(), 0) + 12;
    const auto random =
        make_algorithm("random", space, {0, limit, "cost", -1, {}, space.largest()}, {}, 1, 0);
    random->initialise(evaluator);
    for (int g = 0; g < 3; ++g) random->step(evaluator);
    seen.emplace_back(evaluator.evaluated.begin(), evaluator.evaluated.end());
  }
  EXPECT_EQ(seen[0], seen[1]);
}

Individual point(double accuracy, double cost) {
  Individual individual;
  individual.score.accuracy = accuracy;
  individual.score.costs[1] = cost;
  return individual;
}

TEST(Front, RemembersWhoCameAndWhoLeft) {
  Front front(1);
  front.offer(point(0.5, 4), 0);
  front.offer(point(0.4, 5), 0);  // dominated
  front.offer(point(0.8, 6), 1);
  front.offer(point(0.6, 3), 2);  // dominates the first
  front.offer(point(0.6, 3), 3);  // the same score again
  ASSERT_EQ(front.members().size(), 2u);
  EXPECT_EQ(front.members()[0].entered, 2);
  EXPECT_EQ(front.members()[1].individual.score.accuracy, 0.8);
  ASSERT_EQ(front.former().size(), 1u);
  EXPECT_EQ(front.former()[0].entered, 0);
  EXPECT_EQ(front.former()[0].left, 2);
  // By hand: (10 - 3) x 0.6 + (10 - 6) x 0.2.
  EXPECT_NEAR(front.hypervolume(0, 10), 5.0, 1e-12);
  front.clear(7);
  EXPECT_TRUE(front.members().empty());
  EXPECT_EQ(front.former().back().left, 7);
}

TEST(Front, IsTheParetoFrontOfAllThatWasOfferedAndItsAreaThatOfRandomPoints) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    RandomStream random(seed, Purpose::test);
    Front front(1);
    std::vector<Individual> all;
    for (int i = 0; i < 60; ++i) {
      all.push_back(point(random.below(12) / 12.0, random.below(12)));
      front.offer(all.back(), i);
    }
    std::set<std::pair<double, double>> expected, got;
    for (const std::size_t i : pareto_front(all, 1))
      expected.emplace(all[i].score.costs[1], all[i].score.accuracy);
    for (const FrontMember& m : front.members())
      got.emplace(m.individual.score.costs[1], m.individual.score.accuracy);
    ASSERT_EQ(got, expected) << seed;
    int inside = 0;
    constexpr int kDarts = 20000;
    for (int i = 0; i < kDarts; ++i) {
      const double accuracy = random.uniform(), cost = 12 * random.uniform();
      inside +=
          std::ranges::any_of(got, [&](const auto& p) { return p.first <= cost && p.second >= accuracy; });
    }
    EXPECT_NEAR(front.hypervolume(0, 12), 12.0 * inside / kDarts, 0.2) << seed;
  }
}

TEST(Scorer, AsksForNoGenomeTwiceAndGivesTheScoresOfTheEvaluator) {
  const space::SearchSpace space(test::small_space_options());
  test::SeparableEvaluator evaluator(space), truth(space);
  Scorer scorer;
  RandomStream random(4, Purpose::test);
  std::vector<space::Genome> pool;
  for (int i = 0; i < 50; ++i) pool.push_back(space.canonical(space.sample(random)));
  std::size_t asked = 0;
  for (int call = 0; call < 20; ++call) {
    std::vector<std::vector<space::Genome>> batches(3);
    for (auto& batch : batches)
      for (int i = 0; i < 20; ++i) batch.push_back(pool[random.below(50)]);
    const auto result = scorer.score(evaluator, batches);
    for (std::size_t b = 0; b < batches.size(); ++b) {
      ASSERT_EQ(result[b].size(), batches[b].size());
      const auto expected = scored(truth, batches[b]);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(result[b][i].genome, expected[i].genome);
        EXPECT_EQ(result[b][i].score.accuracy, expected[i].score.accuracy);
      }
    }
    asked += 60;
  }
  EXPECT_EQ(std::set<space::Genome>(evaluator.evaluated.begin(), evaluator.evaluated.end()).size(),
            evaluator.evaluated.size());
  EXPECT_EQ(scorer.scored(), static_cast<std::int64_t>(evaluator.evaluated.size()));
  EXPECT_EQ(scorer.scored() + scorer.remembered(), static_cast<std::int64_t>(asked));
  scorer.forget();
  scorer.score(evaluator, {{pool[0]}});
  EXPECT_EQ(scorer.scored(), static_cast<std::int64_t>(evaluator.evaluated.size()));
}

}  // namespace
}  // namespace apq::search
