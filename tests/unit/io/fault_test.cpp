// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
// Every system call of a checkpoint's write fails or is the last one, in turn: what is found afterwards is
// the new checkpoint or the one before, never nothing and never something else.
#include "apq/core/fault.hpp"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cstring>
#include <random>

#include "apq/io/archive.hpp"
#include "apq/io/files.hpp"
#include "io/frame.hpp"
#include "unit/io/scratch.hpp"

namespace apq::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Faults : public Scratch {
 protected:
  void TearDown() override {
    fault::disarm();
    Scratch::TearDown();
  }
  CheckpointStore store() { return {folder_, "search", "seed=1\n"}; }
  static Archive numbered(std::int64_t n) {
    Archive archive;
    archive.put("n", n);
    archive.put("weights", std::vector<float>(1000, static_cast<float>(n)));
    return archive;
  }
  std::int64_t found() {
    testing::internal::CaptureStderr();
    const auto newest = store().newest();
    testing::internal::GetCapturedStderr();
    if (!newest) return -1;
    EXPECT_EQ(newest->archive.integer("n"), newest->sequence);
    return newest->sequence;
  }
  int unfinished() const {
    int count = 0;
    for (const auto& entry : fs::directory_iterator(folder_)) count += entry.path().extension() == ".tmp";
    return count;
  }
};

TEST_F(Faults, OfEverySystemCallInTurnNameThePathAndKeepTheCheckpointBefore) {
  for (const auto& [name, error] :
       {std::pair{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EMFILE", EMFILE}}) {
    fs::remove_all(folder_);
    store().save(1, numbered(1));
    int failures = 0;
    for (int n = 1;; ++n) {
      fault::arm(fmt::format("io:{}:{}", n, name));
      const Caught failed = caught([&] { store().save(2, numbered(2)); });
      fault::disarm();
      if (!fault::happened()) break;
      ++failures;
      EXPECT_EQ(failed.kind, ErrorKind::io) << n;
      EXPECT_THAT(failed.text, AllOf(HasSubstr("search.00000002.ckpt"), HasSubstr(std::strerror(error))))
          << n;
      EXPECT_EQ(unfinished(), 0) << n;
      const bool renamed = n == 6;  // only the folder was not synced
      EXPECT_EQ(found(), renamed ? 2 : 1) << n;
      fs::remove(folder_ / "search.00000002.ckpt");
    }
    EXPECT_EQ(failures, 6) << "open, write, rest of the write, fsync, rename, fsync of the folder";
    EXPECT_EQ(found(), 2) << "the last round had no fault";
  }
}

TEST_F(Faults, AProcessKilledAtAnyPointOfAWriteLeavesAnIntactCheckpoint) {
  store().save(1, numbered(1));
  const std::vector<std::string> points{"io.open",   "io.write",       "io.write_rest",     "io.fsync",
                                        "io.rename", "io.sync_folder", "checkpoint.written"};
  for (const std::string& point : points) {
    const pid_t child = fork();
    if (child == 0) {
      fault::arm(point + ":1:kill");
      store().save(2, numbered(2));
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << point;
    const bool renamed = point == "io.sync_folder" || point == "checkpoint.written";
    EXPECT_EQ(found(), renamed ? 2 : 1) << point;
    store().save(3, numbered(3));
    EXPECT_EQ(unfinished(), 0) << point;
    EXPECT_EQ(found(), 3) << point;
    fs::remove(folder_ / "search.00000002.ckpt");
    fs::remove(folder_ / "search.00000003.ckpt");
  }
}

TEST_F(Faults, CutsAndBitFlipsOfTheNewestAreNamedAndTheOneBeforeIsUsed) {
  for (const std::int64_t n : {1, 2}) store().save(n, numbered(n));
  const fs::path newest = folder_ / "search.00000002.ckpt";
  const std::string whole = content(newest);
  const auto refused = [&](const std::string& text) {
    put(newest, text);
    return found() == 1;
  };
  for (std::size_t n = 0; n < whole.size(); ++n) ASSERT_TRUE(refused(whole.substr(0, n))) << n;
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const int bit : {0, 3, 7}) {
      std::string text = whole;
      text[i] = static_cast<char>(text[i] ^ (1 << bit));
      ASSERT_TRUE(refused(text)) << i;
    }
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {  // a piece of garbage anywhere, as after a lost block
    std::string text = whole;
    const std::size_t at = random() % text.size(), length = 1 + random() % 64;
    for (std::size_t k = at; k < std::min(text.size(), at + length); ++k)
      text[k] = static_cast<char>(random());
    if (text != whole) {
      ASSERT_TRUE(refused(text)) << i;
    }
  }
  put(newest, whole);
  EXPECT_EQ(found(), 2);
}

// Under a limit of 64 MB more than the program has: what asks for more than it brings must be refused by its
// numbers, not by running out of memory.
TEST_F(Faults, HostileSizesAreRefusedUnderAMemoryLimit) {
  const pid_t child = fork();
  if (child == 0) {
    rlimit limit{};
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    limit.rlim_cur = limit.rlim_max = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + (64u << 20);
    setrlimit(RLIMIT_AS, &limit);
    int wrong = 0;
    const auto check = [&](std::span<const std::byte> raw) {
      try {
        Archive::from_frame(make_frame("test", raw), "test", "hostile");
        ++wrong;
      } catch (const Error& error) {
        wrong += error.kind() != ErrorKind::checkpoint ||
                 std::string(error.what()).find("alloc") != std::string::npos;
      } catch (...) {
        ++wrong;
      }
    };
    // A map of texts that claims `count` entries, or one entry whose key claims `count` bytes.
    for (const std::uint64_t count : {std::uint64_t{300000000}, std::uint64_t{1} << 32,
                                      std::uint64_t{1} << 60, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
      for (const std::vector<std::uint64_t>& words :
           {std::vector<std::uint64_t>{count}, {1, count}, {1, 0, count}, {0, 0, 0, 1, 0, count}}) {
        check(std::as_bytes(std::span(words)));
        std::vector<std::uint64_t> padded = words;
        padded.resize(4096);
        check(std::as_bytes(std::span(padded)));
      }
    }
    // Small when compressed, 4 MB of zeros when not.
    std::vector<std::byte> frame;
    {
      Archive archive;
      archive.put("zeros", std::vector<float>(1000000));
      frame = archive.to_frame("test");
    }
    try {
      Archive::from_frame(frame, "test", "bomb", 1 << 20);
      ++wrong;
    } catch (const Error& error) {
      wrong += error.kind() != ErrorKind::checkpoint;
    }
    _exit(wrong);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace apq::io
