// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/report/scaling.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "apq/core/error.hpp"
#include "apq/io/files.hpp"
#include "report/scaling_model.hpp"

namespace apq::report {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// 10 us for 8 bytes, and 1 ms more for every MB.
const TwoRankSums kNetwork{{8, 10e-6}, {8 + 1e6, 1010e-6}};

TEST(ScalingModel, ASumTakesLatencyPerDoublingAndTheVolumeOfARing) {
  EXPECT_EQ(sum_seconds(kNetwork, 8 + 1e6, 1), 0);
  EXPECT_NEAR(sum_seconds(kNetwork, 8 + 1e6, 2), 1010e-6, 1e-12);  // as measured
  EXPECT_NEAR(sum_seconds(kNetwork, 8, 1024), 100e-6, 1e-12);
  EXPECT_NEAR(sum_seconds(kNetwork, 8 + 1e6, 4), 20e-6 + 1.5 * 1000e-6, 1e-12);
  EXPECT_NEAR(sum_seconds(kNetwork, 8 + 2e6, 2), 2010e-6, 1e-12);  // by bandwidth beyond what was measured
}

TEST(ScalingModel, OnOneRankItIsTheMeasuredTime) {
  const PhaseWork training{
      .name = "supernet", .seconds = 20, .sums = 100, .sum_bytes = 4e5, .serial_seconds = 2};
  const PhaseWork pairs{.name = "collect", .seconds = 11, .items = 10, .item_seconds = 10, .batches = 2};
  const PhaseWork search{.name = "search",
                         .seconds = 30,
                         .items = 8,
                         .item_seconds = 16,
                         .batches = 4,
                         .refits = 3,
                         .refit_seconds = 4,
                         .islands = 4};
  const PhaseWork predictor{.name = "predictor", .seconds = 5};
  for (const PhaseWork& work : {training, pairs, search, predictor})
    for (const bool weak : {false, true})
      EXPECT_NEAR(predict(work, kNetwork, 1, weak).seconds(), work.seconds, 1e-9) << work.name;
}

TEST(ScalingModel, NetworksBeyondTheRanksWaitAndTheRestStaysSerial) {
  // 10 networks of 1 s in 2 batches of 5, and 1 s of other work: on 4 ranks 2 x ceil(5 / 4) s.
  const PhaseWork pairs{.name = "collect", .seconds = 11, .items = 10, .item_seconds = 10, .batches = 2};
  const Prediction p = predict(pairs, kNetwork, 4, false);
  EXPECT_NEAR(p.terms.at("compute"), 2.5, 1e-9);
  EXPECT_NEAR(p.terms.at("too few networks to measure at once"), 1.5, 1e-9);
  EXPECT_NEAR(p.terms.at("serial part on rank 0"), 1, 1e-9);
  // Handed out by rank 0: 10 messages; per batch one round, in which the ranks agree twice.
  EXPECT_NEAR(p.terms.at("handing out networks"), 10 * 10e-6 + 2 * 2 * 20e-6, 1e-9);
  EXPECT_EQ(p.bottleneck(), "too few networks to measure at once");
}

TEST(ScalingModel, TrainingIsBoundByTheSumOfGradientsOnASlowNetwork) {
  // 1000 steps of 1 ms; the sum of 1 MB takes twice that on many ranks.
  const PhaseWork training{.name = "supernet", .seconds = 1, .sums = 1000, .sum_bytes = 8 + 1e6};
  const Prediction p = predict(training, kNetwork, 8, false);
  EXPECT_NEAR(p.terms.at("compute"), 0.125, 1e-9);
  EXPECT_NEAR(p.terms.at("sum of gradients"), 125 * (30e-6 + 1.75e-3 + 30e-6 / 16), 1e-9);
  EXPECT_EQ(p.bottleneck(), "sum of gradients");
  EXPECT_NEAR(predict(training, kNetwork, 8, true).terms.at("compute"), 1, 1e-9);
}

TEST(ScalingModel, MoreRanksThanIslandsIdle) {
  const PhaseWork search{.name = "search", .seconds = 4, .islands = 4};
  EXPECT_NEAR(predict(search, kNetwork, 8, false).terms.at("compute"), 0.5, 1e-9);
  EXPECT_NEAR(predict(search, kNetwork, 8, false).terms.at("too few islands"), 0.5, 1e-9);
  EXPECT_NEAR(predict(search, kNetwork, 8, true).terms.at("too few islands"), 0, 1e-9);
}

TEST(ScalingModel, EachMemberOfTheEnsembleIsRefittedOnOneRank) {
  const PhaseWork search{
      .name = "search", .seconds = 10, .refits = 2, .members = 5, .refit_seconds = 5, .islands = 4};
  EXPECT_NEAR(predict(search, kNetwork, 2, false).terms.at("fit of the predictor"), 3, 1e-9);
  EXPECT_NEAR(predict(search, kNetwork, 64, false).terms.at("fit of the predictor"), 1, 1e-9);
}

TEST(ScalingModel, RanksWithoutACoreOfTheirOwnShareTheCores) {
  const PhaseWork training{.name = "supernet", .seconds = 8, .sums = 8, .sum_bytes = 8};
  EXPECT_NEAR(predict(training, kNetwork, 4, false, 2).terms.at("compute"), 4, 1e-9);
}

class ScalingStudy : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("apq-scaling-" + std::to_string(getpid()));
    fs::create_directories(folder_);
    std::ofstream(folder_ / "network-n1.json")
        << R"({"hosts": 1, "seconds_of_sum_by_bytes": [[8, 1e-5], [1000000, 1e-3]]})";
  }
  void TearDown() override { fs::remove_all(folder_); }

  void run(int ranks, int repeat, double collect_seconds) const {
    const fs::path run = folder_ / "strong" / fmt::format("r{}.{}", ranks, repeat);
    fs::create_directories(run);
    std::ofstream(run / "point.json")
        << R"({"study": "strong", "nodes": 1, "cores": 2, "repeat": )" << repeat << "}";
    std::ofstream(run / "manifest.json")
        << R"({"ranks": )" << ranks
        << R"(, "threads": 1, "config_hash": "abc", "version": "1", "host": {"cpu": "X"}})";
    std::ofstream(run / "stages.json")
        << R"([{"name": "collect", "seconds": )" << collect_seconds
        << R"(, "work": {"items": 10, "item_seconds": 10}}, {"name": "predictor", "seconds": 2}])";
    std::ofstream(run / "config.yaml")
        << "space: {stages: [{width: 16}]}\nbudgets: [{metric: size_kib, limit: 100}]\n";
  }
  io::CsvTable table(const std::string& name) const {
    return io::parse_csv(io::read_text(folder_ / "out" / name), name);
  }

  fs::path folder_;
};

TEST_F(ScalingStudy, TakesMediansSpreadSpeedUpAndEfficiencyOfThePoints) {
  run(1, 1, 10), run(1, 2, 12), run(1, 3, 11);
  run(2, 1, 6.875);
  run(4, 1, 5.5);  // on two cores
  write_scaling({folder_}, folder_ / "out");
  const io::CsvTable csv = table("scaling.csv");
  const auto value = [&](const std::string& phase, const std::string& ranks, const std::string& column) {
    for (const auto& row : csv.rows)
      if (row[csv.column("phase")] == phase && row[csv.column("ranks")] == ranks)
        return std::stod(row[csv.column(column)]);
    ADD_FAILURE() << phase << " " << ranks;
    return 0.0;
  };
  EXPECT_EQ(value("collect", "1", "seconds_median"), 11);
  EXPECT_NEAR(value("collect", "1", "spread"), 2.0 / 11, 1e-9);
  EXPECT_NEAR(value("collect", "2", "speedup"), 1.6, 1e-9);
  EXPECT_NEAR(value("collect", "2", "efficiency"), 0.8, 1e-9);
  EXPECT_NEAR(value("collect", "4", "efficiency"), 1, 1e-9);  // of the two cores there are
  EXPECT_EQ(value("collect", "4", "oversubscribed"), 1);
  EXPECT_EQ(value("all", "1", "seconds_median"), 13);
  EXPECT_NEAR(value("collect", "1", "seconds_predicted"), 11, 1e-9);
  EXPECT_EQ(table("prediction.csv").rows.size(), 2U * 10);  // collect and all, 8 to 4,096 ranks
  const std::string page = io::read_text(folder_ / "out" / "scaling.md");
  EXPECT_THAT(page, HasSubstr("serial part on rank 0 (half of the efficiency is lost at 8 ranks)"));
}

TEST_F(ScalingStudy, RefusesAFolderWithoutPoints) {
  try {
    write_scaling({folder_}, folder_ / "out");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no point of a scaling study"));
  }
}

}  // namespace
}  // namespace apq::report
