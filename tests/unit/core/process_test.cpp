// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "apq/core/error.hpp"

namespace apq {
namespace {

class Stop : public testing::Test {
 protected:
  void SetUp() override {
    stop::install_handlers();
    stop::reset();
  }
  void TearDown() override { stop::reset(); }
};

TEST_F(Stop, Usr1AsksOnceForACheckpointAndDoesNotStop) {
  EXPECT_FALSE(stop::take_checkpoint_request());
  raise(SIGUSR1);
  EXPECT_FALSE(stop::stop_requested());
  EXPECT_TRUE(stop::take_checkpoint_request());
  EXPECT_FALSE(stop::take_checkpoint_request());
  EXPECT_EQ(stop::reason(), "");
}

TEST_F(Stop, Usr2TermAndIntAskToStopAndAreNamed) {
  for (const int signal : {SIGUSR2, SIGTERM, SIGINT}) {
    stop::reset();
    EXPECT_FALSE(stop::stop_requested());
    raise(signal);
    EXPECT_TRUE(stop::stop_requested());
    EXPECT_EQ(stop::reason(), "signal " + std::to_string(signal));
  }
}

TEST_F(Stop, ASecondTermEndsTheProcessAtOnce) {
  const auto twice = [](int first, int second) {
    raise(first);
    raise(second);
    _exit(0);
  };
  EXPECT_EXIT(twice(SIGTERM, SIGTERM), testing::ExitedWithCode(130), "");
  EXPECT_EXIT(twice(SIGINT, SIGTERM), testing::ExitedWithCode(130), "");
  EXPECT_EXIT(twice(SIGUSR2, SIGTERM), testing::ExitedWithCode(0), "");
}

TEST_F(Stop, ContAndPipeMeanNothing) {
  raise(SIGCONT);
  raise(SIGPIPE);
  EXPECT_FALSE(stop::stop_requested());
  EXPECT_FALSE(stop::take_checkpoint_request());
}

TEST_F(Stop, TheTimeLimitStopsTheRun) {
  stop::set_max_time(0.05);
  EXPECT_FALSE(stop::stop_requested());
  std::this_thread::sleep_for(std::chrono::milliseconds(70));
  EXPECT_TRUE(stop::stop_requested());
  EXPECT_EQ(stop::reason(), "max-time reached");
}

TEST_F(Stop, NoOrAnEndlessTimeLimitNeverStops) {
  for (const double seconds : {0.0, -1.0, 1e300}) {
    stop::set_max_time(seconds);
    EXPECT_FALSE(stop::stop_requested()) << seconds;
  }
}

TEST_F(Stop, ARequestGivesItsOwnReason) {
  stop::request("budget used up");
  EXPECT_TRUE(stop::stop_requested());
  EXPECT_EQ(stop::reason(), "budget used up");
}

TEST(Host, CoresAreThoseOfTheAffinityMask) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_EQ(host_info().cores, CPU_COUNT(&before));
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
      break;
    }
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(host_info().cores, 1);
  sched_setaffinity(0, sizeof before, &before);
}

TEST(Host, IsDescribed) {
  const HostInfo host = host_info();
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  EXPECT_EQ(host.name, name);
  EXPECT_FALSE(host.cpu.empty());
  EXPECT_THAT(host.isa, testing::AnyOf("avx512_amx", "avx512_vnni", "avx512", "avx2_vnni", "avx2", "sse"));
}

TEST(Host, PeakMemoryGrowsByWhatIsTouched) {
  const double before = peak_rss_mib();
  const std::vector<char> block(std::size_t{64} << 20, 'x');
  const double after = peak_rss_mib();
  EXPECT_GT(before, 1);
  EXPECT_GE(after, before);
  EXPECT_GT(after, 64) << block.size();
}

TEST(Version, IsThreeNumbersAndTheCommit) {
  EXPECT_THAT(version(), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+(\\+[0-9a-f]+(-dirty)?)?"));
}

}  // namespace
}  // namespace apq
