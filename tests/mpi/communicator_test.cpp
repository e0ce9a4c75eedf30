// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/comm/communicator.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "apq/comm/agreement.hpp"
#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "mpi/mpi_main.hpp"

namespace apq::comm {
namespace {

using test::world;

/// `size` bytes that differ from rank to rank.
Bytes pattern(std::size_t size, int rank) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>(i * 31 + static_cast<unsigned>(rank) * 7);
  return bytes;
}

constexpr std::size_t kSizes[] = {0, 1, 1000, 100000, 3000000};

TEST(Mpi, RanksAreNumberedOnce) {
  std::vector<double> seen(static_cast<std::size_t>(world->size()), 0);
  seen.at(static_cast<std::size_t>(world->rank())) = 1;
  world->sum(std::span(seen));
  EXPECT_EQ(seen, std::vector<double>(seen.size(), 1));
  EXPECT_EQ(world->root(), world->rank() == 0);
}

TEST(Mpi, BroadcastGivesTheRootsBytesWhateverWasThere) {
  for (int root = 0; root < world->size(); ++root)
    for (const std::size_t size : kSizes) {
      Bytes bytes = world->rank() == root ? pattern(size, root) : Bytes(5);
      world->broadcast(bytes, root);
      EXPECT_EQ(bytes, pattern(size, root)) << size;
    }
}

TEST(Mpi, AllGatherGivesEveryRanksBytesInRankOrder) {
  for (const std::size_t size : kSizes) {
    const auto length = [&](int rank) { return size * static_cast<std::size_t>(rank + 1) / 2; };
    const auto parts = world->all_gather(pattern(length(world->rank()), world->rank()));
    ASSERT_EQ(parts.size(), static_cast<std::size_t>(world->size()));
    for (int r = 0; r < world->size(); ++r)
      EXPECT_EQ(parts[static_cast<std::size_t>(r)], pattern(length(r), r));
  }
}

template <class T>
void expect_sum() {
  for (const std::size_t n : {0, 1, 7, 500000}) {
    std::vector<T> values(n), expected(n);
    for (std::size_t i = 0; i < n; ++i) {
      values[i] = static_cast<T>(i % 100 + static_cast<std::size_t>(world->rank()));
      expected[i] =
          static_cast<T>(world->size() * static_cast<int>(i % 100) + world->size() * (world->size() - 1) / 2);
    }
    world->sum(std::span(values));
    EXPECT_EQ(values, expected);
  }
}

TEST(Mpi, SumAddsElementByElement) {
  expect_sum<float>();
  expect_sum<double>();
}

TEST(Mpi, SumsAreTheSameBitsOnEveryRank) {
  std::vector<float> values(1003);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = 1.0f / static_cast<float>(i + 3 + 11 * static_cast<std::size_t>(world->rank()));
  world->sum(std::span(values));
  const auto all = world->all_gather(std::as_bytes(std::span(values)));
  for (const Bytes& bytes : all) EXPECT_EQ(bytes, all.front());
}

TEST(Mpi, MaxIsTheLargestOfAll) {
  EXPECT_EQ(world->max(world->rank() - 10), world->size() - 11);
  EXPECT_EQ(world->max(-(std::int64_t{1} << 40) * world->rank()), 0);
}

TEST(Mpi, AllRanksMaySendInARingBeforeTheyReceive) {
  const int next = (world->rank() + 1) % world->size();
  const int previous = (world->rank() + world->size() - 1) % world->size();
  for (const std::size_t size : kSizes) {
    world->send(pattern(size, world->rank()), next, 4);
    EXPECT_EQ(world->receive(previous, 4), pattern(size, previous)) << size;
  }
}

TEST(Mpi, MessagesKeepTheirOrderWithinATagAndTagsAreApart) {
  const int next = (world->rank() + 1) % world->size();
  const int previous = (world->rank() + world->size() - 1) % world->size();
  for (int i = 0; i < 20; ++i) {
    world->send(pattern(static_cast<std::size_t>(i) * 1000, i), next, 1);
    world->send(pattern(1, i), next, 2);
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(world->receive(previous, 2), pattern(1, i));
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(world->receive(previous, 1), pattern(static_cast<std::size_t>(i) * 1000, i));
}

TEST(Mpi, MessagesToBeReceivedLaterAreWhole) {
  const int next = (world->rank() + 1) % world->size();
  const int previous = (world->rank() + world->size() - 1) % world->size();
  for (const bool polls : {false, true})
    for (const std::size_t size : kSizes) {
      const auto message = world->receive_later(previous, 5);
      world->send(pattern(size, world->rank()), next, 5);
      while (polls && !message->here()) {
      }
      EXPECT_EQ(message->get(), pattern(size, previous)) << size;
    }
}

TEST(Mpi, AnAgreementIsKnownAtTheNextAndOtherCollectivesMayComeBetween) {
  Agreement agreement(*world);
  for (int i = 1; i <= 20; ++i) {
    const int asks = i % world->size();
    EXPECT_EQ(agreement.next(world->rank() == asks ? i : 0), i - 1);
    EXPECT_EQ(world->max(world->rank()), world->size() - 1);
  }
  EXPECT_EQ(agreement.last(), 20);
  EXPECT_EQ(agreement.last(), 0);
}

TEST(Mpi, NobodyWaitsForARankThatIsLessThanOneAgreementBehind) {
  Agreement agreement(*world);
  agreement.next(0);
  for (int i = 0; i < 300; ++i) {
    agreement.poll();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const Timer timer;
  if (world->root()) std::this_thread::sleep_for(std::chrono::seconds(2));
  agreement.next(1);
  EXPECT_TRUE(world->root() || timer.seconds() < 1.9) << timer.seconds();
  EXPECT_EQ(agreement.last(), 1);
}

TEST(Mpi, TheCounterHandsOutEveryNumberOnce) {
  const std::int64_t jobs = 1000;
  for (int round = 0; round < 3; ++round) {
    world->reset_counter();
    std::vector<double> taken(jobs, 0);
    std::int64_t last = -1;
    for (std::int64_t job; (job = world->fetch_add()) < jobs; last = job) {
      EXPECT_GT(job, last);
      taken.at(static_cast<std::size_t>(job)) += 1;
    }
    world->sum(std::span(taken));
    EXPECT_EQ(taken, std::vector<double>(jobs, 1));
  }
}

TEST(Mpi, TheCounterServesOthersWhileRankZeroIsBusyElsewhere) {
  world->reset_counter();
  const Timer timer;
  if (world->root())
    std::this_thread::sleep_for(std::chrono::seconds(2));
  else
    for (int i = 0; i < 100; ++i) world->fetch_add();
  const double waited = timer.seconds();
  EXPECT_TRUE(world->root() || waited < 1.9) << waited;
  world->barrier();
  EXPECT_EQ(world->max(world->fetch_add()), 100 * (world->size() - 1) + world->size() - 1);
}

TEST(Mpi, WrongUseIsAnErrorWithTheReasonOfMpi) {
  try {
    world->send({}, world->size(), 1);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::environment);
    EXPECT_NE(std::string(error.what()).find("MPI_Isend failed (MPI_ERR_RANK"), std::string::npos)
        << error.what();
    return;
  }
  FAIL() << "nothing was thrown";
}

}  // namespace
}  // namespace apq::comm

int main(int argc, char** argv) { return apq::test::run_all_tests(argc, argv); }
