// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/report/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "apq/core/error.hpp"
#include "report/plots.hpp"
#include "report/run_data.hpp"

namespace apq::report {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kSummary = R"({
  "name": "<tiny> & co", "version": "0.1.0", "config_hash": "0123456789abcdef", "seed": 7, "ranks": 2, "threads": 1,
  "host": "node7",
  "stages": [{"name": "supernet", "seconds": 100.5, "peak_rss_mb": 512}, {"name": "collect", "seconds": 20, "peak_rss_mb": 600}],
  "networks": [
    {"budget": {"metric": "latency_ms", "limit": 0.1}, "genome": "k3w96p8.8d4.6|k5w48p8.8d8.8",
     "cost": {"latency_ms": 0.0987, "energy_mj": 0.25, "bitops_g": 1.5, "params": 123456, "size_kib": 78.25},
     "accuracy": {"predicted": 0.91, "validation": 0.905, "test": 0.89875}, "file": "networks/a"},
    {"budget": {"metric": "energy_mj", "limit": 2}, "genome": "k7w96p4.4d8.8",
     "cost": {"latency_ms": 0.5, "energy_mj": 1.99, "bitops_g": 9, "params": 999, "size_kib": 1},
     "accuracy": {"predicted": 0.93, "validation": null}, "file": "networks/b"}],
  "search": {"islands_hypervolume": 0.0123, "random_hypervolume": 0.0098, "random_covered_share": 0.75,
             "reference_accuracy": 0.7, "reference_latency_ms": 0.3, "evaluations": 240000}
})";
constexpr const char* kPareto =
    "source,budget,front,latency_ms,energy_mj,bitops_g,params,size_kib,accuracy_predicted,accuracy_"
    "validation,genome\n"
    "islands,0,1,0.1,1,1,1,1,0.9,0.89,k3\n"
    "islands,0,0,0.11,1,1,1,1,0.9,0.88,k3\n"
    "islands,0,1,0.05,1,1,1,1,0.8,0.85,k3\n"
    "random,0,1,0.09,1,1,1,1,0.7,0.81,k3\n";
constexpr const char* kHistory =
    "generation,island,budget,best_accuracy_predicted,mean_accuracy_predicted,best_cost\n"
    "0,0,latency_ms<=0.1,0.5,0.4,1\n0,0,energy_mj<=2,0.9,0.4,1\n0,1,latency_ms<=0.1,0.7,0.4,1\n"
    "0,1,energy_mj<=2,0.9,0.4,1\n1,0,latency_ms<=0.1,0.8,0.4,1\n1,1,latency_ms<=0.1,0.8,0.4,1\n";
constexpr const char* kPredictor =
    R"({"fp32": {"pairs": 300, "epochs": 120, "rmse": 0.0061, "kendall_tau": 0.8125, "spearman": 0.94, "pairwise_accuracy": 0.905},
        "int8": [{"version": 0, "pairs": 40, "rmse": 0.01}, {"version": 1, "pairs": 52, "rmse": 0.009}]})";
constexpr const char* kManifest =
    R"({"version": "0.1.0", "started": "2026-11-23T14:00:00Z", "host": {"name": "node7", "isa": "avx512_vnni"},
        "libraries": {"MPI": "Open MPI 4.1.4"}, "config": "name: tiny  # of the <run>\n"})";

class Report : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("apq-report-" + std::to_string(getpid()) + "-" + std::to_string(test->line()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void put(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
  std::string get(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(folder_ / name).rdbuf();
    return text.str();
  }
  void put_all() const {
    put("summary.json", kSummary);
    put("pareto.csv", kPareto);
    put("history.csv", kHistory);
    put("predictor.json", kPredictor);
    put("manifest.json", kManifest);
  }
  /// The text of the Error(data) that `action` ends in.
  template <class Action>
  static std::string error_of(Action action) {
    try {
      action();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::data);
      return e.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  fs::path folder_;
};

TEST_F(Report, TheHeadlineIsAnAlignedTableOfAllNetworks) {
  put("summary.json", kSummary);
  EXPECT_EQ(
      headline(folder_),
      "budget             latency_ms  energy_mj  bitops_g  params  size_kib  activation_kib  predicted %  "
      "validation %  test %\n"
      "latency_ms <= 0.1      0.0987       0.25       1.5  123456     78.25               -        91.00  "
      "       90.50   89.88\n"
      "energy_mj <= 2            0.5       1.99         9     999         1               -        93.00  "
      "           -       -\n");
}

TEST_F(Report, AFinishedRunGivesOnePageWithEverything) {
  put_all();
  write(folder_);
  const std::string page = get("report.html");
  for (const char* part :
       {"<!DOCTYPE html>", "&lt;tiny&gt; &amp; co", "<td>latency_ms &lt;= 0.1</td>", "<td>89.88</td>",
        "k3w96p8.8d4.6|k5w48p8.8d8.8", "<td>supernet</td><td>100.5</td><td>512</td>",
        "<td>all</td><td>120.5</td>",
        "<td>fp32</td><td>300</td><td>120</td><td>0.61</td><td>0.812</td><td>0.940</td><td>90.50</td>",
        "int8, version 1", "<td>hypervolume</td><td>0.0123</td><td>0.0098</td>",
        "75.00 % of the random networks the islands have one",
        "<td>networks measured</td><td>3</td><td>1</td>",
        "<td>of these on the front</td><td>2</td><td>1</td>", "0123456789abcdef", "Open MPI 4.1.4",
        "avx512_vnni", "name: tiny  # of the &lt;run&gt;"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, Not(HasSubstr("<tiny>")));
  EXPECT_THAT(page, Not(HasSubstr("not complete")));
  // Nothing is loaded from elsewhere.
  EXPECT_FALSE(std::regex_search(page, std::regex("<(script|link|img|iframe)|(src|href)=\"[^#]")));
}

TEST_F(Report, PlotsAreDrawnByGnuplotFromScriptsThatStay) {
  put_all();
  write(folder_);
  const std::string page = get("report.html");
  for (const char* name : {"accuracy_latency", "search_history", "predicted_measured"}) {
    const std::string path = std::string("plots/") + name;
    EXPECT_GT(fs::file_size(folder_ / (path + ".gp")), 0u);
    EXPECT_THAT(get(path + ".csv"), HasSubstr("\n"));
    EXPECT_THAT(get(path + ".svg"), HasSubstr("</svg>"));
    EXPECT_EQ(get(path + ".png").substr(0, 4), "\x89PNG");
    EXPECT_THAT(page, HasSubstr(std::string("<title>") + name + "</title>"));
  }
  EXPECT_EQ(get("plots/search_history.csv"),
            "budget,generation,mean_percent,lowest_percent,highest_percent\n"
            "0,0,60.0000,50.0000,70.0000\n0,1,80.0000,80.0000,80.0000\n1,0,90.0000,90.0000,90.0000\n");
  EXPECT_THAT(get("plots/search_history.gp"), HasSubstr("title 'latency_ms<=0.1'"));
  EXPECT_THAT(get("plots/accuracy_latency.csv"), HasSubstr("islands front,0.05,85\nislands front,0.1,89\n"));
  EXPECT_THAT(get("plots/accuracy_latency.csv"), HasSubstr("test,0.0987,89.875\n"));
}

TEST_F(Report, WithoutGnuplotTheTablesStayAndThePageSaysWhy) {
  put_all();
  const std::string path = std::getenv("PATH");
  setenv("PATH", folder_.c_str(), 1);
  write(folder_);
  setenv("PATH", path.c_str(), 1);
  const std::string page = get("report.html");
  EXPECT_THAT(page, HasSubstr("No plots: gnuplot cannot be started"));
  EXPECT_THAT(page, HasSubstr("<td>89.88</td>"));
  EXPECT_THAT(page, Not(HasSubstr("<svg")));
  EXPECT_TRUE(fs::exists(folder_ / "plots/accuracy_latency.gp"));
}

TEST_F(Report, AnUnfinishedRunGivesAPartialReport) {
  put("summary.json", R"({"stages": [{"name": "supernet", "seconds": 3}]})");
  write(folder_);
  const std::string page = get("report.html");
  EXPECT_THAT(page, HasSubstr("it has no manifest.json, predictor.json, pareto.csv, history.csv."));
  EXPECT_THAT(page, HasSubstr("<td>supernet</td><td>3.0</td><td>-</td>"));
  EXPECT_THAT(page, HasSubstr(folder_.filename().string()));
  EXPECT_EQ(headline(folder_), "no network yet\n");
}

TEST_F(Report, AMissingFolderOrSummaryIsNamed) {
  EXPECT_THAT(error_of([&] { write(folder_ / "none"); }), HasSubstr("no such folder"));
  EXPECT_THAT(error_of([&] { headline(folder_); }),
              HasSubstr("no summary.json in '" + folder_.string() + "'"));
  EXPECT_FALSE(fs::exists(folder_ / "report.html"));
}

TEST_F(Report, ADamagedFileIsNamedAndNothingIsWritten) {
  const std::vector<std::pair<std::string, std::string>> damaged = {
      {"summary.json", "{\"name\": "},
      {"summary.json", "[1]"},
      {"summary.json", R"({"networks": [{"cost": {"params": "many"}}]})"},
      {"summary.json", R"({"networks": [5]})"},
      {"predictor.json", R"({"int8": {"pairs": []}})"},
      {"manifest.json", "\xFF"},
      {"pareto.csv", "source,front\nislands,1\n"},
      {"pareto.csv", std::string(kPareto) + "random,0,1,fast,1,1,1,1,0.7,0.81,k3\n"},
      {"history.csv", std::string(kHistory) + "1,2\n"},
  };
  for (const auto& [name, text] : damaged) {
    put_all();
    put(name, text);
    EXPECT_THAT(error_of([&] { write(folder_); }), HasSubstr(name)) << text;
    EXPECT_FALSE(fs::exists(folder_ / "report.html"));
    fs::remove(folder_ / "report.html");
  }
}

TEST_F(Report, TextsOfAFileNeverReachTheScriptAsCommands) {
  put_all();
  put("history.csv",
      "generation,island,budget,best_accuracy_predicted,mean_accuracy_predicted,best_cost\n"
      "0,0,\"x'; system('touch planted'); #\",0.5,0.4,1\n");
  write(folder_);
  EXPECT_FALSE(fs::exists(folder_ / "plots/planted"));
  EXPECT_THAT(get("plots/search_history.gp"), HasSubstr("title 'x systemtouch planted '"));
  EXPECT_THAT(get("plots/search_history.svg"), HasSubstr("</svg>"));
}

TEST_F(Report, ALongHistoryIsThinnedAndKeepsItsLastPoint) {
  put_all();
  std::string history =
      "generation,island,budget,best_accuracy_predicted,mean_accuracy_predicted,best_cost\n";
  for (int g = 0; g <= 10000; ++g) history += std::to_string(g) + ",0,0,0.5,0.4,1\n";
  put("history.csv", history);
  for (const Plot& plot : make_plots(read_run(folder_))) {
    if (plot.name != "search_history") continue;
    EXPECT_LT(std::count(plot.csv.begin(), plot.csv.end(), '\n'), 510);
    EXPECT_THAT(plot.csv, HasSubstr("\n0,0,50.0000"));
    EXPECT_THAT(plot.csv, HasSubstr("\n0,10000,50.0000"));
  }
}

TEST_F(Report, BudgetsOfTheHistoryKeepTheirOrder) {
  put("summary.json", "{}");
  put("history.csv",
      "generation,island,budget,best_accuracy_predicted,mean_accuracy_predicted,best_cost\n"
      "0,0,b<=2,0.5,0.4,1\n0,0,b<=10,0.5,0.4,1\n0,0,a<=1,0.5,0.4,1\n1,0,a<=1,0.5,0.4,1\n");
  std::vector<std::string> names;
  for (const auto& [name, line] : read_run(folder_).history) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("b<=2", "b<=10", "a<=1"));
}

}  // namespace
}  // namespace apq::report
