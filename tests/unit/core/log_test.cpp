// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "apq/core/error.hpp"

namespace apq {
namespace {

namespace fs = std::filesystem;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class Log : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("apq_log_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    file_ = folder_ / "log.txt";
  }
  void TearDown() override {
    log::setup({});
    fs::remove_all(folder_);
  }
  std::string text() const {
    std::ifstream in(file_);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void setup(int rank, log::Level level = log::Level::info, bool console = false) {
    log::setup({.rank = rank, .console = console, .file = file_, .level = level});
  }

  fs::path folder_, file_;
};

TEST_F(Log, LinesHaveTimeLevelAndText) {
  setup(0);
  log::info("loss {:.2f}", 0.414);
  log::error("broken");
  EXPECT_THAT(text(), ContainsRegex("^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} info  loss 0.41\n"
                                    "[0-9-]+ [0-9:]+ error broken\n$"));
}

TEST_F(Log, OtherRanksAreNamed) {
  setup(3);
  log::warn("slow");
  EXPECT_THAT(text(), ContainsRegex("^[0-9-]+ [0-9:]+ \\[3\\] warn  slow\n$"));
}

TEST_F(Log, LinesBelowTheLevelAreLeftOut) {
  setup(0, log::Level::warn);
  log::info("quiet");
  log::warn("loud");
  EXPECT_THAT(text(), AllOf(Not(HasSubstr("quiet")), HasSubstr("loud")));
}

TEST_F(Log, ANewSetupAppendsToTheFile) {
  setup(0);
  log::info("first");
  setup(0);
  log::info("second");
  EXPECT_THAT(text(), ContainsRegex("first\n.*second\n"));
}

TEST_F(Log, TextWithBracesIsWrittenAsItIs) {
  setup(0);
  log::write(log::Level::info, "{} %v {:d}");
  EXPECT_THAT(text(), HasSubstr("{} %v {:d}\n"));
}

TEST_F(Log, OnlyRankZeroWritesToTheConsoleButErrorsOfAll) {
  testing::internal::CaptureStderr();
  log::setup({.rank = 0});
  log::info("from zero");
  log::setup({.rank = 1});
  log::info("from one");
  log::error("error of one");
  const std::string console = testing::internal::GetCapturedStderr();
  EXPECT_THAT(console,
              AllOf(HasSubstr("from zero"), Not(HasSubstr("from one")), HasSubstr("[1] error error of one")));
}

TEST_F(Log, AFileThatCannotBeOpenedIsNamed) {
  std::ofstream(folder_ / "plain") << "x";
  try {
    log::setup({.file = folder_ / "plain" / "log.txt"});
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    EXPECT_THAT(error.what(), HasSubstr((folder_ / "plain" / "log.txt").string()));
    return;
  }
  FAIL() << "nothing was thrown";
}

TEST_F(Log, AClosedConsolePipeAndAFullDiskDoNotStopTheRun) {
  std::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int saved = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  close(ends[0]);
  close(ends[1]);
  setup(0, log::Level::info, true);
  for (int i = 0; i < 100; ++i) log::info("nobody reads this");
  log::setup({.file = "/dev/full"});
  log::info("nor this");
  dup2(saved, STDERR_FILENO);
  close(saved);
  const std::string kept = text();
  EXPECT_EQ(std::count(kept.begin(), kept.end(), '\n'), 100);
}

TEST_F(Log, ThreadsDoNotMixTheirLines) {
  setup(0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) log::info("{}", std::string(200, 'x'));
    });
  for (auto& thread : threads) thread.join();
  std::ifstream in(file_);
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines) ASSERT_EQ(line.size(), 19 + 1 + 5 + 1 + 200u);
  EXPECT_EQ(lines, 800);
}

}  // namespace
}  // namespace apq
