// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
// Searches with measurements that fail, in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "apq/core/error.hpp"
#include "apq/core/fault.hpp"
#include "apq/io/archive.hpp"
#include "apq/io/files.hpp"
#include "apq/pipeline/pipeline.hpp"

namespace apq::pipeline {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Search : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / fmt::format("apq-search-test-{}", getpid());
    run("base", {Stage::supernet, Stage::collect, Stage::predictor});
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }
  void TearDown() override { fault::disarm(); }

  static void run(const std::string& name, std::vector<Stage> stages, bool resume = false) {
    const auto config =
        config::load(fs::path(APQ_SOURCE_DIR) / "tests/support/mini.yaml", {"checkpoint_seconds=0"});
    const auto comm = comm::make_serial();
    pipeline::run(
        *comm, config,
        {.out = folder_ / name, .from = folder_ / "base", .resume = resume, .stages = std::move(stages)});
  }
  static void search(const std::string& name) { run(name, {Stage::search}); }
  static void resume(const std::string& name) { run(name, {Stage::search}, true); }
  /// The Error that `action` ends in.
  template <class Action>
  static Error error_of(Action action) {
    try {
      action();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error";
    return {ErrorKind::internal, ""};
  }
  static std::string content(const std::string& file) { return io::read_text(folder_ / file); }
  static io::CsvTable table(const std::string& file) { return io::parse_csv(content(file), file); }

  static inline fs::path folder_;
};

TEST_F(Search, AFailedMeasurementIsMarkedAndNeverUsed) {
  fault::arm("evaluation:2:diverge");
  search("failed");
  const auto all = table("failed/pareto.csv");
  std::vector<std::string> failed;
  for (const auto& row : all.rows)
    if (row[all.column("accuracy_validation")] == "nan") {
      EXPECT_EQ(row[all.column("front")], "0");
      failed.push_back(row[all.column("genome")]);
    }
  ASSERT_EQ(failed.size(), 1);
  EXPECT_THAT(content("failed/pairs_int8.csv"), Not(HasSubstr(failed[0])));
  EXPECT_THAT(content("failed/log.txt"), HasSubstr("failed: " + failed[0] + ": a divergence was asked for"));
  EXPECT_THAT(content("failed/journal/search.txt"), HasSubstr(" networks measured, 1 failed"));
  fault::disarm();
  run("failed", {Stage::finetune}, true);
  EXPECT_THAT(content("failed/best.yaml"), Not(HasSubstr(failed[0])));
}

TEST_F(Search, AFailureIsRememberedWhenTheSearchGoesOn) {
  fault::arm("evaluation:2:diverge");
  search("straight");
  fault::arm("evaluation:2:diverge,evaluation:4:throw");
  EXPECT_EQ(error_of([] { search("cut"); }).kind(), ErrorKind::internal);
  fault::disarm();
  resume("cut");
  for (const char* file :
       {"pareto.csv", "history.csv", "pairs_int8.csv", "predictor.json", "journal/search.txt"})
    EXPECT_EQ(content(fmt::format("straight/{}", file)), content(fmt::format("cut/{}", file))) << file;
}

TEST_F(Search, EndsWhenMoreThanAFifthOfTheMeasurementsFail) {
  fault::arm("evaluation:1+:diverge");
  const Error error = error_of([] { search("many"); });
  EXPECT_EQ(error.kind(), ErrorKind::numeric);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("measuring elites of generation 4: "),
                    HasSubstr("networks failed (more than 20 %"), HasSubstr("a divergence was asked for")));
  fault::disarm();
  const Error again = error_of([] { resume("many"); });
  EXPECT_EQ(again.kind(), ErrorKind::numeric);
  EXPECT_THAT(again.what(), HasSubstr("log.txt says why"));
}

TEST_F(Search, CollectingEndsWhenMoreThanAFifthOfThePairsFail) {
  fault::arm("evaluation:8+:diverge");  // of 8 float pairs the last, of 6 int8 pairs all
  const Error error = error_of([] { run("pairs", {Stage::collect}); });
  EXPECT_EQ(error.kind(), ErrorKind::numeric);
  EXPECT_THAT(error.what(), HasSubstr("int8 pairs: 6 of 6 networks failed"));
}

TEST_F(Search, ACheckpointWhoseMeasurementsAreOfOtherNetworksIsRefused) {
  fault::arm("evaluation:4:throw");
  EXPECT_EQ(error_of([] { search("other"); }).kind(), ErrorKind::internal);
  fault::disarm();
  for (const auto& entry : fs::directory_iterator(folder_ / "other/checkpoints")) {
    if (entry.path().extension() != ".ckpt") continue;
    io::Archive archive = io::Archive::load(entry.path(), "search");
    std::string batch = archive.text("pending.batch");
    archive.put("pending.batch", batch.substr(batch.find('\n') + 1));
    archive.save(entry.path(), "search");
  }
  const Error error = error_of([] { resume("other"); });
  EXPECT_EQ(error.kind(), ErrorKind::checkpoint);
  EXPECT_THAT(error.what(), HasSubstr("networks that this program would not measure"));
}

}  // namespace
}  // namespace apq::pipeline
