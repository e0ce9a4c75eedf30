// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/island/archipelago.hpp"

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
    return Archipelago(comm, space_, budgets, {space_.smallest(), space_.smallest()}, evolution,
                       {5, GetParam(), 4, 3}, 11);
  }
  void run(Archipelago& archipelago, int generations) {
    for (int g = 0; g < generations; ++g) archipelago.step(evaluator_);
  }
  static std::vector<std::byte> frame(Archipelago& archipelago) {
    return archipelago.save().to_frame("search");
  }

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

INSTANTIATE_TEST_SUITE_P(Topologies, ArchipelagoMpi,
                         testing::Values("ring", "torus", "hypercube", "fully_connected", "none"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace apq::island

int main(int argc, char** argv) { return apq::test::run_all_tests(argc, argv); }
