// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/results.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apq/core/error.hpp"
#include "apq/core/process.hpp"
#include "apq/io/files.hpp"
#include "apq/nn/ops.hpp"
#include "apq/search/pareto.hpp"
#include "pipeline/artifacts.hpp"

namespace apq::pipeline {

using Json = nlohmann::ordered_json;

namespace {

Json cost_json(const hw::Cost& cost) {
  Json json;
  for (int m = 0; m < hw::kMetrics; ++m)
    json[hw::metric_name(static_cast<hw::Metric>(m))] = cost.values[static_cast<std::size_t>(m)];
  return json;
}

/// Islands against random search and uniform bits on the networks measured, in accuracy and latency.
Json comparison(const Context& c) {
  auto measured = read_measured(c.space, io::read_text(c.out / "pareto.csv"), "pareto.csv", c.budgets);
  std::erase_if(measured, [](const Measured& m) { return m.failed(); });
  double worst = 1, slowest = 0;
  for (const Measured& m : measured) {
    worst = std::min(worst, m.accuracy);
    slowest = std::max(slowest, c.costs.cost(m.genome).values[0]);
  }
  const auto islands = individuals(c.costs, measured, "islands");
  Json json{{"evaluations", islands.size()},
            {"reference_accuracy", worst},
            {"reference_latency_ms", slowest},
            {"islands_hypervolume", search::hypervolume(islands, 0, worst, slowest)}};
  for (const std::string source : {"random", "uniform"}) {
    const auto others = individuals(c.costs, measured, source);
    if (others.empty()) continue;
    // Zitzler and Thiele 1999: the share that a network of the islands dominates or equals.
    const auto covered = std::ranges::count_if(others, [&](const auto& other) {
      return std::ranges::any_of(islands, [&](const auto& i) {
        return i.score.accuracy >= other.score.accuracy && i.score.costs[0] <= other.score.costs[0];
      });
    });
    json[source + "_evaluations"] = others.size();
    json[source + "_hypervolume"] = search::hypervolume(others, 0, worst, slowest);
    json[source + "_covered_share"] = static_cast<double>(covered) / static_cast<double>(others.size());
  }
  return json;
}

}  // namespace

double test_accuracy(const nn::IntegerNetwork& network, const data::Dataset& data,
                     const data::ImageSet& test) {
  constexpr int kBatch = 125;
  nn::IntegerExecutor executor(network);
  std::vector<float> x(test.image_bytes() * kBatch);
  std::vector<std::int32_t> labels(kBatch);
  std::int64_t correct = 0;
  for (std::int64_t first = 0; first < test.count; first += kBatch) {
    const int n = static_cast<int>(std::min<std::int64_t>(kBatch, test.count - first));
    data.normalise(test, first, n, x.data(), labels.data());
    correct += nn::count_correct(n, data.classes(), executor.forward(x.data(), n), labels.data());
  }
  return static_cast<double>(correct) / test.count;
}

void write_best(const fs::path& path, const std::vector<FinalNetwork>& networks) {
  std::string text =
      "# The best network found for each budget. Accuracies are fractions; test and validation are those\n"
      "# of the integer network in `file`.\nnetworks:\n";
  for (const auto& n : networks) {
    std::string also;
    for (const auto& b : n.budget.also)
      also += fmt::format("{}{{metric: {}, limit: {}}}", also.empty() ? ", and: [" : ", ", b.metric,
                          io::number(b.limit));
    text +=
        fmt::format("  - budget: {{metric: {}, limit: {}{}}}\n    genome: \"{}\"\n    cost: {{",
                    n.budget.metric, io::number(n.budget.limit), also.empty() ? also : also + "]", n.genome);
    for (int m = 0; m < hw::kMetrics; ++m)
      text += fmt::format("{}{}: {}", m ? ", " : "", hw::metric_name(static_cast<hw::Metric>(m)),
                          io::number(n.cost.values[static_cast<std::size_t>(m)]));
    text += fmt::format("}}\n    accuracy: {{predicted: {}, validation: {}, test: {}}}\n    file: {}\n",
                        io::number(n.predicted), io::number(n.validation), io::number(n.test), n.file);
  }
  io::write_atomically(path, text);
}

std::string finals_json(const std::vector<FinalNetwork>& networks) {
  Json list = Json::array();
  for (const auto& n : networks) {
    Json budget{{"metric", n.budget.metric}, {"limit", n.budget.limit}};
    for (const auto& b : n.budget.also) budget["and"].push_back({{"metric", b.metric}, {"limit", b.limit}});
    list.push_back(
        {{"budget", std::move(budget)},
         {"genome", n.genome},
         {"cost", cost_json(n.cost)},
         {"accuracy", {{"predicted", n.predicted}, {"validation", n.validation}, {"test", n.test}}},
         {"file", n.file}});
  }
  return list.dump(1) + "\n";
}

std::vector<StageRecord> read_stages(const fs::path& out) {
  const fs::path path = out / "stages.json";
  std::vector<StageRecord> stages;
  if (!fs::exists(path)) return stages;
  const Json json = Json::parse(io::read_text(path), nullptr, false);
  validate(json.is_array(), ErrorKind::checkpoint,
           "{} is damaged (no list of stages) start afresh in another folder", path.string());
  for (const auto& s : json)
    stages.push_back({s.value("name", ""), s.value("seconds", 0.0), s.value("peak_rss_mb", 0.0),
                      s.value("rank_peak_rss_mb", std::vector<double>{}), s.value("done", false),
                      s.value("work", std::map<std::string, double>{})});
  return stages;
}

void write_stages(const fs::path& out, const std::vector<StageRecord>& stages) {
  Json list = Json::array();
  for (const auto& s : stages)
    list.push_back({{"name", s.name},
                    {"seconds", s.seconds},
                    {"peak_rss_mb", s.peak_rss_mb},
                    {"rank_peak_rss_mb", s.rank_peak_rss_mb},
                    {"done", s.done},
                    {"work", s.work}});
  io::write_atomically(out / "stages.json", list.dump(1) + "\n");
}

void write_summary(const Context& c, const std::vector<StageRecord>& stages) {
  const HostInfo host = host_info();
  Json json{{"name", c.config.name},  {"version", version()},   {"config_hash", config::hash(c.config)},
            {"seed", c.config.seed},  {"ranks", c.comm.size()}, {"threads", c.config.threads},
            {"host", host.name},      {"cpu", host.cpu},        {"isa", host.isa},
            {"stages", Json::array()}};
  for (const auto& s : stages)
    if (s.done)
      json["stages"].push_back({{"name", s.name},
                                {"seconds", s.seconds},
                                {"peak_rss_mb", s.peak_rss_mb},
                                {"rank_peak_rss_mb", s.rank_peak_rss_mb}});
  // Pages of the shared images count in the resident size of every rank that looked at them.
  json["shared_by_ranks_of_a_node"] = {{"images_mb", static_cast<double>(c.data->shared_bytes()) / 1e6}};
  json["networks"] = fs::exists(c.out / "networks.json")
                         ? Json::parse(io::read_text(c.out / "networks.json"), nullptr, false)
                         : Json::array();
  if (fs::exists(c.out / "pareto.csv")) json["search"] = comparison(c);
  io::write_atomically(c.out / "summary.json", json.dump(1) + "\n");
}

}  // namespace apq::pipeline
