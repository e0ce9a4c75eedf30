// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/io/files.hpp"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "apq/core/process.hpp"
#include "apq/core/random.hpp"
#include "unit/io/scratch.hpp"

namespace apq::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Files : public Scratch {
 protected:
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
};

TEST_F(Files, AnAtomicWriteReplacesTheWholeFileAndLeavesNothingElse) {
  const fs::path path = folder_ / "a.txt";
  write_atomically(path, std::string(100000, 'x'));
  write_atomically(path, "short\n");
  EXPECT_EQ(content(path), "short\n");
  EXPECT_EQ(read_text(path), "short\n");
  EXPECT_EQ(read_bytes(path).size(), 6u);
  EXPECT_EQ(count(), 1u);
}

TEST_F(Files, ARelativePathWorks) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  write_atomically("a.txt", "here");
  fs::current_path(before);
  EXPECT_EQ(content(folder_ / "a.txt"), "here");
}

TEST_F(Files, AFailedWriteNamesPathAndReasonAndKeepsTheOldFile) {
  const Caught error = caught([&] { write_atomically(folder_ / "missing" / "a.txt", "x"); });
  EXPECT_EQ(error.kind, ErrorKind::io);
  EXPECT_THAT(error.text,
              AllOf(HasSubstr((folder_ / "missing" / "a.txt").string()), HasSubstr("No such file")));

  fs::create_directory(folder_ / "folder");
  EXPECT_EQ(caught([&] { write_atomically(folder_ / "folder", "x"); }).kind, ErrorKind::io);
  EXPECT_TRUE(fs::is_directory(folder_ / "folder"));
  EXPECT_EQ(count(), 1u);
}

// A limit on the file size stands for a full disk: write() fails half way.
TEST_F(Files, AWriteThatFailsHalfWayKeepsTheOldFile) {
  const fs::path path = folder_ / "a.txt";
  write_atomically(path, "old");
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const Caught error = caught([&] { write_atomically(path, std::string(100000, 'x')); });
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(error.kind, ErrorKind::io);
  EXPECT_THAT(error.text, AllOf(HasSubstr(path.string()), HasSubstr("File too large")));
  EXPECT_EQ(content(path), "old");
  EXPECT_EQ(count(), 1u);
}

TEST_F(Files, APlantedLinkIsNotFollowed) {
  put(folder_ / "victim", "precious");
  fs::create_symlink(folder_ / "victim", folder_ / "a.txt.tmp");
  caught([&] { write_atomically(folder_ / "a.txt", "x"); });
  EXPECT_EQ(content(folder_ / "victim"), "precious");
}

TEST_F(Files, ModesFollowTheUmask) {
  for (const mode_t mask : {mode_t{077}, mode_t{022}, mode_t{002}}) {
    const mode_t before = umask(mask);
    fs::remove(folder_ / "a.txt");
    write_atomically(folder_ / "a.txt", "x");
    umask(before);
    struct stat status {};
    stat((folder_ / "a.txt").c_str(), &status);
    EXPECT_EQ(status.st_mode & 0777, 0666 & ~mask);
  }
}

TEST_F(Files, ReadingRefusesWhatIsMissingTooLargeOrNoPlainFile) {
  EXPECT_THAT(caught([&] { read_text(folder_ / "no"); }).text,
              AllOf(HasSubstr("/no "), HasSubstr("No such file")));
  EXPECT_EQ(caught([&] { read_text(folder_ / "no"); }).kind, ErrorKind::io);
  EXPECT_EQ(caught([&] { read_text(folder_ / "no", 10, ErrorKind::data); }).kind, ErrorKind::data);
  put(folder_ / "eleven", "12345678901");
  EXPECT_THAT(caught([&] { read_text(folder_ / "eleven", 10); }).text, HasSubstr("11 bytes, 10 are allowed"));
  EXPECT_EQ(read_text(folder_ / "eleven", 11).size(), 11u);
  EXPECT_THAT(caught([&] { read_text(folder_); }).text, HasSubstr("not a plain file"));
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(caught([&] { read_text(folder_ / "pipe"); }).text, HasSubstr("not a plain file"));
}

TEST(Number, IsTheShortestTextThatReadsBack) {
  EXPECT_EQ(number(0.1), "0.1");
  EXPECT_EQ(number(3), "3");
  EXPECT_EQ(number(-2.5e-7), "-2.5e-07");
  EXPECT_EQ(number(1e300), "1e+300");
  RandomStream stream(1, Purpose::test);
  for (int i = 0; i < 10000; ++i) {
    const double value = stream.normal() * std::pow(10, static_cast<int>(stream.below(600)) - 300);
    ASSERT_EQ(std::strtod(number(value).c_str(), nullptr), value);
  }
}

class Lock : public Scratch {
 protected:
  fs::path path() const { return folder_ / "lock"; }
  static std::string holder(const std::string& host, const std::string& pid, const std::string& start) {
    return "host=" + host + "\npid=" + pid + "\nstart=" + start + "\njob=42\n";
  }
  /// Takes the lock with this in the lock file, and returns the notice.
  std::string take_over(const std::string& text) {
    put(path(), text);
    testing::internal::CaptureStderr();
    { const FolderLock lock(folder_); }
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(Lock, ASecondRunIsToldWhoHoldsTheFolder) {
  setenv("SLURM_JOB_ID", "4711", 1);
  const FolderLock lock(folder_);
  unsetenv("SLURM_JOB_ID");
  const Caught error = caught([&] { FolderLock second(folder_); });
  EXPECT_EQ(error.kind, ErrorKind::locked);
  EXPECT_THAT(error.text, AllOf(HasSubstr(folder_.string()), HasSubstr("host " + host_info().name),
                                HasSubstr("pid " + std::to_string(getpid())), HasSubstr("job 4711")));
  EXPECT_TRUE(fs::exists(path()));
}

TEST_F(Lock, IsGoneAfterTheRunAndLeavesNothing) {
  { const FolderLock lock(folder_); }
  EXPECT_TRUE(fs::is_empty(folder_));
  const FolderLock again(folder_);
}

TEST_F(Lock, CreatesTheFolder) {
  const FolderLock lock(folder_ / "a" / "b");
  EXPECT_TRUE(fs::exists(folder_ / "a" / "b" / "lock"));
}

TEST_F(Lock, OfAKilledRunIsTakenOverWithANotice) {
  const pid_t child = fork();
  if (child == 0) {
    const FolderLock lock(folder_);
    raise(SIGKILL);
  }
  int status = 0;
  // Before wait() the child is a zombie: gone as well.
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  ASSERT_TRUE(fs::exists(path()));
  testing::internal::CaptureStderr();
  { const FolderLock lock(folder_); }
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("process " + std::to_string(child)));
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
}

TEST_F(Lock, OfAReusedProcessNumberIsTakenOver) {
  EXPECT_THAT(take_over(holder(host_info().name, std::to_string(getpid()), "1")), HasSubstr("taking over"));
}

TEST_F(Lock, OfALivingProcessIsRespected) {
  const pid_t child = fork();
  if (child == 0) {
    FolderLock lock(folder_);
    pause();
  }
  while (!fs::exists(path())) usleep(1000);
  EXPECT_EQ(caught([&] { FolderLock lock(folder_); }).kind, ErrorKind::locked);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_F(Lock, OfAnotherHostOrUnreadableIsNeverTaken) {
  for (const std::string& text :
       {holder("elsewhere", "999999999", "1"), std::string(), std::string("garbage")}) {
    put(path(), text);
    const Caught error = caught([&] { FolderLock lock(folder_); });
    EXPECT_EQ(error.kind, ErrorKind::locked) << text;
    EXPECT_THAT(error.text, HasSubstr("remove " + path().string()));
    EXPECT_EQ(content(path()), text);
  }
}

TEST_F(Lock, OfAnEarlierRunOfTheSameSlurmJobIsTakenOver) {
  const auto hold = [&](const std::string& restart) {
    write_atomically(folder_ / "lock", "host=elsewhere\npid=1\nstart=1\njob=42\nrestart=" + restart + "\n");
  };
  ::setenv("SLURM_JOB_ID", "42", 1);
  ::setenv("SLURM_RESTART_COUNT", "1", 1);
  hold("");
  { const FolderLock lock(folder_); }
  hold("1");  // a step of the run that is alive
  EXPECT_EQ(caught([&] { FolderLock lock(folder_); }).kind, ErrorKind::locked);
  ::unsetenv("SLURM_JOB_ID");
  ::unsetenv("SLURM_RESTART_COUNT");
}

TEST_F(Lock, GoesToOneOfManyThatTakeOverAtOnce) {
  put(path(), holder(host_info().name, "999999999", "1"));
  const int runs = 8;
  int ready[2], go[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(go), 0);
  std::vector<pid_t> children;
  for (int i = 0; i < runs; ++i) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    close(go[1]);
    char c;
    [[maybe_unused]] auto n = read(go[0], &c, 1);
    std::freopen("/dev/null", "w", stderr);
    std::unique_ptr<FolderLock> lock;
    const Caught error = caught([&] { lock = std::make_unique<FolderLock>(folder_); });
    n = write(ready[1], lock ? "w" : error.kind == ErrorKind::locked ? "l" : "?", 1);
    pause();
  }
  close(go[1]);
  std::string outcome;
  for (char c; outcome.size() < runs && read(ready[0], &c, 1) == 1;) outcome += c;
  for (const pid_t child : children) kill(child, SIGKILL);
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  EXPECT_EQ(std::count(outcome.begin(), outcome.end(), 'w'), 1) << outcome;
  EXPECT_EQ(std::count(outcome.begin(), outcome.end(), 'l'), runs - 1) << outcome;
}

// The process was cut off with its node, the job started again elsewhere, and then it woke up.
TEST_F(Lock, ThatAnotherRunTookOverLetsNothingBeWritten) {
  const FolderLock lock(folder_);
  fs::create_directory(folder_ / "checkpoints");
  const auto write = [&] {
    write_atomically(folder_ / "checkpoints" / "a", "old");
    write_atomically(folder_.parent_path() / (folder_.filename().string() + "-elsewhere"), "old");
  };
  write();
  put(path(), holder("elsewhere", "5", "6"));
  const Caught taken = caught(write);
  EXPECT_EQ(taken.kind, ErrorKind::locked);
  EXPECT_THAT(taken.text, AllOf(HasSubstr(folder_.string()), HasSubstr("took over")));
  fs::remove(path());  // the other run has ended
  EXPECT_EQ(caught(write).kind, ErrorKind::locked);
  fs::remove(folder_.parent_path() / (folder_.filename().string() + "-elsewhere"));
}

TEST_F(Lock, OfSomebodyElseIsNotRemovedOnTheWayOut) {
  {
    const FolderLock lock(folder_);
    put(path(), holder("elsewhere", "5", "6"));
  }
  EXPECT_EQ(content(path()), holder("elsewhere", "5", "6"));
}

}  // namespace
}  // namespace apq::io
