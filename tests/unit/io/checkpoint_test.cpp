// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <gmock/gmock.h>

#include <set>

#include "apq/io/archive.hpp"
#include "unit/io/scratch.hpp"

namespace apq::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Archive numbered(std::int64_t n) {
  Archive archive;
  archive.put("n", n);
  return archive;
}

class Checkpoints : public Scratch {
 protected:
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.insert(entry.path().filename());
    return names;
  }
  void damage(const std::string& file) const {
    std::string text = content(folder_ / file);
    text[text.size() / 2] ^= 1;
    put(folder_ / file, text);
  }

  CheckpointStore store(const std::string& fingerprint = "seed=1\nwidth=2\n",
                        const std::string& name = "search") {
    return {folder_, name, fingerprint};
  }
};

TEST_F(Checkpoints, NoFilesAreNoCheckpoint) {
  EXPECT_FALSE(store().newest());
  EXPECT_FALSE(CheckpointStore(folder_ / "missing", "search", "").newest());
}

TEST_F(Checkpoints, TheNewestBySequenceIsFoundAndThreeAreKept) {
  for (const std::int64_t n : {1, 2, 9, 10, 11}) store().save(n, numbered(n));
  EXPECT_EQ(files(),
            (std::set<std::string>{"search.00000009.ckpt", "search.00000010.ckpt", "search.00000011.ckpt"}));
  const auto found = store().newest();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->sequence, 11);
  EXPECT_EQ(found->archive.integer("n"), 11);
}

TEST_F(Checkpoints, TheFolderIsCreated) {
  CheckpointStore deep(folder_ / "a" / "b", "search", "");
  deep.save(0, numbered(0));
  EXPECT_EQ(deep.newest()->sequence, 0);
}

TEST_F(Checkpoints, ADamagedOneIsNamedAndTheOneBeforeUsed) {
  for (const std::int64_t n : {1, 2, 3}) store().save(n, numbered(n));
  damage("search.00000003.ckpt");
  testing::internal::CaptureStderr();
  const auto found = store().newest();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("search.00000003.ckpt"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->archive.integer("n"), 2);
}

TEST_F(Checkpoints, ATornOneIsSkippedAtEveryLength) {
  store().save(1, numbered(1));
  store().save(2, numbered(2));
  const std::string whole = content(folder_ / "search.00000002.ckpt");
  testing::internal::CaptureStderr();
  for (std::size_t n = 0; n < whole.size(); n += 7) {
    put(folder_ / "search.00000002.ckpt", whole.substr(0, n));
    ASSERT_EQ(store().newest()->sequence, 1) << n;
  }
  testing::internal::GetCapturedStderr();
}

TEST_F(Checkpoints, WhenAllAreDamagedTheRunMustNotStartAnewUnnoticed) {
  store().save(1, numbered(1));
  damage("search.00000001.ckpt");
  testing::internal::CaptureStderr();
  const Caught error = caught([&] { store().newest(); });
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(error.kind, ErrorKind::checkpoint);
  EXPECT_THAT(error.text, AllOf(HasSubstr("damaged"), HasSubstr(folder_.string())));
}

TEST_F(Checkpoints, AnotherFingerprintIsRefusedWithTheLinesThatDiffer) {
  store("seed=1\nwidth=2\ndata=abc\n").save(1, numbered(1));
  const Caught error = caught([&] { store("seed=1\nwidth=3\ndata=abc\nrounds=5\n").newest(); });
  EXPECT_EQ(error.kind, ErrorKind::checkpoint);
  EXPECT_THAT(error.text, AllOf(HasSubstr("then width=2; now rounds=5, width=3"), Not(HasSubstr("seed=1"))));
}

TEST_F(Checkpoints, SavingRemovesNewerOnesOfAnAbandonedCourse) {
  for (const std::int64_t n : {5, 6, 7}) store().save(n, numbered(n));
  damage("search.00000007.ckpt");
  store().save(6, numbered(60));
  EXPECT_EQ(files(), (std::set<std::string>{"search.00000005.ckpt", "search.00000006.ckpt"}));
  EXPECT_EQ(store().newest()->archive.integer("n"), 60);
}

TEST_F(Checkpoints, StagesAndForeignFilesAreLeftAlone) {
  const std::set<std::string> foreign{"search.x.ckpt", "search..ckpt",   "search.00000001.ckpt~",
                                      "search.ckpt",   "search.-1.ckpt", "search.99999999999999999999.ckpt"};
  for (const auto& name : foreign) put(folder_ / name, "x");
  store("", "search2").save(8, numbered(8));
  store().save(1, numbered(1));
  EXPECT_EQ(store().newest()->sequence, 1);
  store().remove_all();
  EXPECT_FALSE(store().newest());
  EXPECT_TRUE(store("", "search2").newest());
  for (const auto& name : foreign) EXPECT_TRUE(files().contains(name)) << name;
}

}  // namespace
}  // namespace apq::io
