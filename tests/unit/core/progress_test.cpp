// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/progress.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <thread>

#include "apq/core/log.hpp"

namespace apq {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

void wait(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

TEST(Progress, WithoutATerminalEachIntervalIsOnePlainLine) {
  testing::internal::CaptureStderr();
  {
    Progress progress("supernet training", 2900, true, 0);
    progress.update(0);
    wait(20);
    progress.update(1234, "loss 0.41");
    progress.update(2900, "loss 0.40");
    progress.finish();
  }
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_THAT(out, ContainsRegex("info  supernet training   0% \\(0/2900\\)\n"));
  EXPECT_THAT(out, ContainsRegex("info  supernet training  42% \\(1234/2900\\) loss 0.41, [0-9]+s left\n"));
  EXPECT_THAT(out, ContainsRegex("info  supernet training 100% \\(2900/2900\\) loss 0.40, took [0-9]+s\n"));
}

TEST(Progress, TimeLeftComesOnlyFromTheWorkDoneHere) {
  testing::internal::CaptureStderr();
  Progress progress("search", 2000, true, 0);
  progress.update(1000);  // resumed: these were done before
  wait(100);
  progress.update(1001);  // 999 left at 0.1 s each
  EXPECT_THAT(testing::internal::GetCapturedStderr(), ContainsRegex("1001/2000\\) 1m[3-5][0-9]s left"));
}

TEST(Progress, LinesAreNoCloserThanTheInterval) {
  testing::internal::CaptureStderr();
  Progress progress("search", 1000, true, 3600);
  for (int i = 0; i <= 1000; ++i) progress.update(i);
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 1);
}

TEST(Progress, IsSilentWhereItIsNotShown) {
  testing::internal::CaptureStderr();
  Progress progress("search", 10, false, 0);
  progress.update(5);
  progress.finish();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), IsEmpty());
}

TEST(Progress, AnEmptyStageIsComplete) {
  testing::internal::CaptureStderr();
  Progress progress("search", 0, true, 0);
  progress.finish();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("search 100% (0/0) took 0s"));
}

/// What `action` writes to standard error when that is a terminal of so many columns.
template <class Action>
std::string on_terminal(unsigned short columns, Action action) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  EXPECT_TRUE(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
  const int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  winsize size{};
  size.ws_col = columns;
  ioctl(slave, TIOCSWINSZ, &size);
  const int saved = dup(STDERR_FILENO);
  dup2(slave, STDERR_FILENO);
  action();
  dup2(saved, STDERR_FILENO);
  close(saved);
  fcntl(master, F_SETFL, O_NONBLOCK);
  std::string out;
  std::array<char, 4096> buffer;
  for (ssize_t n; (n = read(master, buffer.data(), buffer.size())) > 0;) out.append(buffer.data(), n);
  close(slave);
  close(master);
  return out;
}

TEST(Progress, OnATerminalABarIsRedrawnInPlaceAndLeavesOneLine) {
  const std::string out = on_terminal(100, [] {
    Progress progress("search", 10, true, 0);
    progress.update(0);
    progress.update(5, "front 12");
    log::info("a line in between");
    progress.finish();
  });
  EXPECT_THAT(out,
              HasSubstr("\r\x1b[Ksearch  50% [###############...............] (5/10) front 12, 0s left"));
  EXPECT_THAT(out, ContainsRegex("\r\x1b\\[K[0-9-]+ [0-9:]+ info  a line in between"));
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 2);
  EXPECT_TRUE(out.ends_with("\n"));
}

TEST(Progress, TheBarNeverWrapsANarrowTerminal) {
  const std::string out = on_terminal(40, [] {
    Progress progress("supernet training", 100000, true, 0);
    progress.update(50000, "loss 0.41 accuracy 0.93 and more");
  });
  for (std::size_t at = 0, next; at != std::string::npos; at = next) {
    next = out.find('\r', at + 1);
    EXPECT_LT(out.substr(at, next - at).size(), 40u + 4) << "with the four bytes that erase the line";
  }
}

TEST(Progress, AnAbandonedBarIsErased) {
  const std::string out = on_terminal(80, [] {
    Progress progress("search", 10, true, 0);
    progress.update(5);
  });
  EXPECT_TRUE(out.ends_with("\r\x1b[K"));
  EXPECT_THAT(out, Not(HasSubstr("took")));
}

}  // namespace
}  // namespace apq
