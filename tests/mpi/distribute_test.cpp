// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/comm/distribute.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <numeric>
#include <thread>

#include "apq/core/error.hpp"
#include "mpi/mpi_main.hpp"

namespace apq::comm {
namespace {

using std::chrono::milliseconds;
using test::world;

std::vector<std::int64_t> numbers(std::int64_t n) {
  std::vector<std::int64_t> items(static_cast<std::size_t>(n));
  std::iota(items.begin(), items.end(), 0);
  return items;
}

/// Results on this rank, and the work this rank did.
struct Outcome {
  std::map<std::int64_t, double> results;
  double work = 0;
  int items = 0;
};

/// Item i costs costs[i] units of a sleep each, with a beat after every unit.
Outcome run(
    const std::vector<double>& costs, const std::function<bool()>& stop = [] { return false; }) {
  Outcome outcome;
  distribute(
      *world, numbers(static_cast<std::int64_t>(costs.size())),
      [&](std::int64_t i, const Beat& beat) {
        const double cost = costs[static_cast<std::size_t>(i)];
        for (int unit = 0; unit < cost; ++unit) {
          std::this_thread::sleep_for(milliseconds(2));
          beat();
        }
        outcome.work += cost;
        ++outcome.items;
        return 100.0 + static_cast<double>(i);
      },
      [&](std::int64_t i, double value) { EXPECT_TRUE(outcome.results.emplace(i, value).second) << i; },
      stop);
  return outcome;
}

double sum_over_ranks(double value) {
  world->sum(std::span(&value, 1));
  return value;
}

TEST(Distribute, GivesEveryRankEveryResultOnce) {
  for (const std::int64_t n : {0, 1, 7, 100}) {
    const Outcome outcome = run(std::vector<double>(static_cast<std::size_t>(n), 0));
    ASSERT_EQ(outcome.results.size(), static_cast<std::size_t>(n));
    for (const auto& [i, value] : outcome.results) EXPECT_EQ(value, 100.0 + static_cast<double>(i));
    EXPECT_EQ(sum_over_ranks(outcome.items), static_cast<double>(n));
  }
}

// Whoever is idle takes the next item, so no rank does more than its share and one item; with rounds or with
// fixed shares the rank with the long items would. Work is counted, not timed.
TEST(Distribute, BalancesItemsWhoseCostsDifferTwentyfold) {
  std::vector<double> costs;
  for (int i = 0; i < 96; ++i) costs.push_back(i % world->size() == 0 && i < 24 ? 20 : 1);
  const double total = std::accumulate(costs.begin(), costs.end(), 0.0);
  const Outcome outcome = run(costs);
  const double share = total / world->size();
  EXPECT_LE(outcome.work, share + 20 + 0.15 * share) << "of " << total;
  EXPECT_EQ(outcome.results.size(), costs.size());
  if (world->size() > 1) {
    const double fixed =
        total - 72 - (24 - 24.0 / world->size());  // what rank 0 would do with every size-th item
    EXPECT_LT(outcome.work, fixed);
  }
}

TEST(Distribute, TheOthersGoOnWhileOneRankHasALongItem) {
  if (world->size() == 1) return;
  std::vector<double> costs(60, 1);
  costs[0] = 200;
  const Outcome outcome = run(costs);
  EXPECT_EQ(outcome.results.size(), costs.size());
  if (outcome.work >= 200) {
    EXPECT_LT(outcome.items, 10) << "the others took the short ones meanwhile";
  }
}

TEST(Distribute, AStopOnOneRankAbandonsWorkEverywhere) {
  int calls = 0;
  const int last = world->size() - 1;
  const Outcome outcome =
      run(std::vector<double>(1000, 5), [&] { return world->rank() == last && ++calls > 12; });
  EXPECT_LT(outcome.results.size(), 500u);
  for (const Bytes& bytes : world->all_gather(Bytes(outcome.results.size())))
    EXPECT_EQ(bytes.size(), outcome.results.size());
  for (const auto& [i, value] : outcome.results) EXPECT_EQ(value, 100.0 + static_cast<double>(i));
  // What is missing can be computed afterwards.
  EXPECT_EQ(run(std::vector<double>(5, 0)).results.size(), 5u);
}

TEST(Share, GivesTheRanksOfANodeOneCopy) {
  int calls = 0;
  std::vector<std::byte> source;
  const auto shared = world->share([&] {
    ++calls;
    source.assign(8 << 20, std::byte{42});
    source.back() = std::byte{7};
    return std::span<const std::byte>(source);
  });
  EXPECT_EQ(world->max(calls), 1);
  ASSERT_EQ(shared.size(), std::size_t{8} << 20);
  EXPECT_EQ(shared.front(), std::byte{42});
  EXPECT_EQ(shared.back(), std::byte{7});
  EXPECT_EQ(world->node_size(), world->size()) << "this test runs on one node";
  // One copy: what one rank writes the others see.
  world->barrier();
  if (world->root()) const_cast<std::byte&>(shared[100]) = std::byte{9};
  world->barrier();
  EXPECT_EQ(shared[100], std::byte{9});
  EXPECT_EQ(world->share([] { return std::span<const std::byte>(); }).size(), 0u);
}

TEST(Messages, FromAnybodyComeWhole) {
  if (!world->root())
    for (int i = 0; i < 5; ++i) world->send(Bytes(1000 * static_cast<std::size_t>(world->rank()) + 1), 0, 33);
  world->barrier();
  if (world->root()) {
    std::map<int, int> count;
    for (int i = 0; i < 5 * (world->size() - 1); ++i) {
      const auto message = world->receive_any(33);
      ++count[message.from];
      EXPECT_EQ(message.bytes.size(), 1000u * static_cast<unsigned>(message.from) + 1);
    }
    for (const auto& [rank, n] : count) EXPECT_EQ(n, 5) << rank;
    EXPECT_FALSE(world->try_receive(33));
  }
  world->barrier();
}

}  // namespace
}  // namespace apq::comm

int main(int argc, char** argv) { return apq::test::run_all_tests(argc, argv); }
