// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/island/archipelago.hpp"

#include "apq/island/traffic.hpp"
#include "mpi/mpi_main.hpp"
#include "support/separable_evaluator.hpp"
#include "support/small_space.hpp"

namespace apq::island {
namespace {

using test::world;

/// Five islands divide evenly among no number of ranks above one.
class ArchipelagoMpi : public testing::TestWithParam<std::string> {
 protected:
  Archipelago make(comm::Communicator& comm) const {
    search::EvolutionOptions evolution{40, 10, 20, 20, 0.1};
    const std::vector<search::Budget> budgets{{0, 50, "a"}, {1, 70, "b"}};
    return Archipelago(comm, space_, budgets, evolution, options_, 11);
  }
  void run(Archipelago& archipelago, int generations) {
    for (int g = 0; g < generations; ++g) archipelago.step(evaluator_);
  }
  static std::vector<std::byte> frame(Archipelago& archipelago) {
    return archipelago.save().to_frame("search");
  }

  ArchipelagoOptions options_{5, GetParam(), 4, 3};
  space::SearchSpace space_{test::small_space_options()};
  test::SeparableEvaluator evaluator_{space_};
  std::unique_ptr<comm::Communicator> alone_ = comm::make_serial();
};

TEST_P(ArchipelagoMpi, AnyNumberOfRanksGivesTheBytesOfOneRank) {
  Archipelago together = make(*world), single = make(*alone_);
  for (Archipelago* archipelago : {&together, &single}) {
    archipelago->initialise(evaluator_);
    run(*archipelago, 20);
  }
  EXPECT_EQ(frame(together), frame(single));
}

TEST_P(ArchipelagoMpi, ElitesAreTheSameOnEveryRankAndAsOnOneRank) {
  Archipelago together = make(*world), single = make(*alone_);
  for (Archipelago* archipelago : {&together, &single}) {
    archipelago->initialise(evaluator_);
    run(*archipelago, 5);
  }
  const auto best = together.elites(7), best_alone = single.elites(7);
  const auto each = together.island_elites(2), each_alone = single.island_elites(2);
  for (std::size_t b = 0; b < 2; ++b) {
    EXPECT_EQ(encode(best[b]), encode(best_alone[b]));
    EXPECT_EQ(encode(each[b]), encode(each_alone[b]));
  }
}

TEST_P(ArchipelagoMpi, AStateSavedOnSomeRanksContinuesOnAnyOther) {
  Archipelago straight = make(*alone_);
  straight.initialise(evaluator_);
  run(straight, 20);
  const auto expected = frame(straight);

  Archipelago first_alone = make(*alone_), first_together = make(*world);
  for (Archipelago* archipelago : {&first_alone, &first_together}) {
    archipelago->initialise(evaluator_);
    run(*archipelago, 9);
  }
  Archipelago then_together = make(*world), then_alone = make(*alone_);
  then_together.load(first_alone.save());
  then_alone.load(first_together.save());
  run(then_together, 11);
  run(then_alone, 11);
  EXPECT_EQ(frame(then_together), expected);
  EXPECT_EQ(frame(then_alone), expected);
}

TEST_P(ArchipelagoMpi, ScoringAgainWhileMigrantsAreOnTheirWayGivesTheBytesOfOneRank) {
  Archipelago together = make(*world), single = make(*alone_);
  test::SeparableEvaluator other(space_, 77);
  for (Archipelago* archipelago : {&together, &single}) {
    archipelago->initialise(evaluator_);
    run(*archipelago, 9);
    archipelago->rescore(other);
    for (int g = 0; g < 7; ++g) archipelago->step(other);
  }
  EXPECT_EQ(frame(together), frame(single));
}

TEST_P(ArchipelagoMpi, MessagesAreThoseTheModelSays) {
  Archipelago together = make(*world);
  together.initialise(evaluator_);
  run(together, 8);  // two migrations
  together.settle();
  std::vector<double> counted{static_cast<double>(together.effort().messages),
                              static_cast<double>(together.effort().bytes)};
  world->sum(std::span<double>(counted));
  const Traffic said = model_traffic(GetParam(), 5, world->size(), bytes_per_island(space_, 2, 3), 11);
  EXPECT_EQ(counted[0], 2 * static_cast<double>(said.messages));
  EXPECT_EQ(counted[1], 2 * static_cast<double>(said.bytes));
}

TEST_P(ArchipelagoMpi, AsynchronousIslandsEndKeepTheirBudgetsAndImprove) {
  options_.mode = "asynchronous";
  Archipelago together = make(*world);
  together.initialise(evaluator_);
  const auto first = together.elites(1);
  for (int segment = 1; segment <= 3; ++segment) {
    // The last rank asks for an interruption in the second segment.
    const auto asks = [&] { return segment == 2 && world->rank() == world->size() - 1; };
    while (together.generation() < 10 * segment && !together.interrupted(asks())) together.step(evaluator_);
    together.settle();
  }
  while (together.generation() < 30) together.step(evaluator_);
  together.settle();
  EXPECT_EQ(together.generation(), 30);
  const auto last = together.elites(5);
  const double limits[] = {50, 70};
  for (int b = 0; b < 2; ++b) {
    EXPECT_GT(last[b][0].score.accuracy, first[b][0].score.accuracy);
    EXPECT_LE(last[0][0].score.accuracy, evaluator_.optimum(50) + 1e-12);
    for (const auto& individual : last[b]) {
      EXPECT_TRUE(space_.valid(individual.genome));
      EXPECT_LE(evaluator_.cost(individual.genome, b), limits[b]);
    }
  }
  const auto rows = together.history();
  EXPECT_EQ(rows.size(), 31u * 5 * 2);  // no island lost a generation
  // A saved state continues on one rank.
  Archipelago single = make(*alone_);
  single.load(together.save());
  EXPECT_EQ(single.generation(), 30);
}

INSTANTIATE_TEST_SUITE_P(Topologies, ArchipelagoMpi,
                         testing::Values("ring", "bidirectional_ring", "torus", "hypercube",
                                         "fully_connected", "random_regular", "none"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace apq::island

int main(int argc, char** argv) { return apq::test::run_all_tests(argc, argv); }
