// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/watchdog.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "apq/core/progress.hpp"

namespace apq::watchdog {
namespace {

namespace fs = std::filesystem;
using std::chrono::duration;

constexpr double kLimit = 0.8;
constexpr int kFired = 8;

void sleep_for(double seconds) { std::this_thread::sleep_for(duration<double>(seconds)); }

/// Runs `work` in processes of their own, each under a watchdog; how they ended and what was their reason.
class Watchdog : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("apq_watchdog_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  template <class Work>
  pid_t begin(int rank, Work work, double limit = kLimit) {
    const pid_t child = fork();
    if (child != 0) return child;
    if (!std::freopen("/dev/null", "w", stderr)) _exit(2);
    start({.limit = limit,
           .rank = rank,
           .signs = folder_ / "signs",
           .last_words = [&](const std::string& reason) {
             std::ofstream(folder_ / ("reason" + std::to_string(rank))) << reason;
           }});
    set_phase("stage test");
    work();
    stop();
    _exit(0);
  }
  static int code_of(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  std::string reason(int rank) const {
    std::ifstream file(folder_ / ("reason" + std::to_string(rank)));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void work_for(double seconds) {
    for (const Timer timer; timer.seconds() < seconds; sleep_for(0.01)) heartbeat();
  }

  fs::path folder_;
};

TEST_F(Watchdog, LeavesAloneWhoGetsOn) {
  EXPECT_EQ(code_of(begin(0, [] { work_for(2.5 * kLimit); })), 0);
  EXPECT_EQ(reason(0), "");
}

TEST_F(Watchdog, EndsWhoIsStuckWithTheReason) {
  const Timer timer;
  EXPECT_EQ(code_of(begin(0,
                          [] {
                            work_for(0.2);
                            pause();
                          })),
            kFired);
  EXPECT_GT(timer.seconds(), kLimit);
  EXPECT_LT(timer.seconds(), 5 * kLimit);
  EXPECT_NE(reason(0).find("rank 0: no progress for 1 s in stage test"), std::string::npos) << reason(0);
}

TEST_F(Watchdog, IsOffAtZero) {
  EXPECT_EQ(code_of(begin(
                0, [] { sleep_for(0.3); }, 0)),
            0);
}

TEST_F(Watchdog, TheLimitGrowsWithTheLongestPauseSoFar) {
  EXPECT_EQ(code_of(begin(0,
                          [] {
                            sleep_for(0.6 * kLimit);
                            work_for(0.1);
                            sleep_for(3 * kLimit);  // less than 10 x 0.6 limits
                            work_for(0.1);
                          })),
            0);
}

TEST_F(Watchdog, WhoWaitsForARankThatWorksIsLeftAlone) {
  const pid_t worker = begin(1, [] { work_for(5 * kLimit); });
  const pid_t waiter = begin(0, [] {
    const Waiting waiting;
    sleep_for(5 * kLimit);
  });
  EXPECT_EQ(code_of(waiter), 0) << reason(0);
  EXPECT_EQ(code_of(worker), 0);
}

TEST_F(Watchdog, WhoWaitsForAStoppedRankEndsAndNamesIt) {
  const pid_t stopped = begin(1, [] { work_for(100); });
  sleep_for(0.5 * kLimit);
  kill(stopped, SIGSTOP);
  const Timer timer;
  const pid_t waiter = begin(0, [] {
    const Waiting waiting;
    pause();
  });
  EXPECT_EQ(code_of(waiter), kFired);
  EXPECT_LT(timer.seconds(), 6 * kLimit);
  EXPECT_NE(reason(0).find("for other ranks in stage test; stopped or lost: rank 1"), std::string::npos)
      << reason(0);
  kill(stopped, SIGKILL);
  EXPECT_EQ(code_of(stopped), -SIGKILL);
}

TEST_F(Watchdog, TheTimeOfASuspendedProcessDoesNotCount) {
  const pid_t child = begin(0, [] {
    work_for(0.3);
    sleep_for(0.2);
    work_for(0.3);
  });
  sleep_for(0.1);
  kill(child, SIGSTOP);
  sleep_for(4 * kLimit);
  kill(child, SIGCONT);
  EXPECT_EQ(code_of(child), 0) << reason(0);
}

}  // namespace
}  // namespace apq::watchdog
