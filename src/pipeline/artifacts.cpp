// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/artifacts.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "apq/core/error.hpp"
#include "apq/io/files.hpp"
#include "apq/search/pareto.hpp"

namespace apq::pipeline {

double to_number(const std::string& text, const std::string& origin, std::size_t row) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  validate(error == std::errc{} && end == text.data() + text.size(), ErrorKind::data,
           "{} line {}: \"{}\" is no number (a measurement was expected) mend the line or remove it", origin,
           row + 2, text);
  return value;
}

namespace {

io::CsvTable read_csv(const fs::path& path) { return io::parse_csv(io::read_text(path), path.string()); }

std::vector<std::string> cost_columns() {
  std::vector<std::string> names;
  for (int m = 0; m < hw::kMetrics; ++m) names.emplace_back(hw::metric_name(static_cast<hw::Metric>(m)));
  return names;
}

void append_costs(std::vector<std::string>& row, const hw::Cost& cost) {
  for (double v : cost.values) row.push_back(io::number(v));
}

std::vector<std::string> with_costs(std::vector<std::string> before, const std::vector<std::string>& after) {
  for (auto& name : cost_columns()) before.push_back(name);
  before.insert(before.end(), after.begin(), after.end());
  return before;
}

nlohmann::ordered_json quality_json(const predictor::Quality& q, std::size_t version) {
  return {{"version", version},
          {"pairs", q.pairs},
          {"epochs", q.epochs},
          {"rmse", q.rmse},
          {"kendall_tau", q.kendall_tau},
          {"spearman", q.spearman},
          {"pairwise_accuracy", q.pairwise_accuracy}};
}

/// Of measurements, which have no version and were not trained.
nlohmann::ordered_json ceiling_json(const predictor::Quality& q) {
  auto json = quality_json(q, 0);
  json.erase("version");
  json.erase("epochs");
  return json;
}

}  // namespace

std::string pairs_fp32_csv(const space::SearchSpace& space, const std::vector<predictor::Pair>& pairs) {
  io::CsvWriter csv({"index", "accuracy_validation", "genome"});
  for (std::size_t i = 0; i < pairs.size(); ++i)
    csv.row({std::to_string(i), io::number(pairs[i].accuracy), space.to_text(pairs[i].genome)});
  return csv.text();
}

std::vector<predictor::Pair> read_pairs_fp32(const space::SearchSpace& space, const fs::path& path) {
  const auto table = read_csv(path);
  const auto accuracy = table.column("accuracy_validation"), genome = table.column("genome");
  std::vector<predictor::Pair> pairs;
  for (std::size_t r = 0; r < table.rows.size(); ++r)
    pairs.push_back(
        {space.from_text(table.rows[r][genome]), to_number(table.rows[r][accuracy], path.string(), r)});
  return pairs;
}

std::string pairs_int8_csv(const space::SearchSpace& space, const hw::CostModel& costs,
                           const std::vector<Measured>& pairs) {
  io::CsvWriter csv(with_costs({"index", "source", "accuracy_validation"}, {"genome"}));
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    std::vector<std::string> row{std::to_string(i), pairs[i].source == "sample" ? "sample" : "elite",
                                 io::number(pairs[i].accuracy)};
    append_costs(row, costs.cost(pairs[i].genome));
    row.push_back(space.to_text(pairs[i].genome));
    csv.row(row);
  }
  return csv.text();
}

std::vector<Measured> read_pairs_int8(const space::SearchSpace& space, const fs::path& path) {
  const auto table = read_csv(path);
  const auto accuracy = table.column("accuracy_validation"), genome = table.column("genome"),
             source = table.column("source");
  std::vector<Measured> pairs;
  for (std::size_t r = 0; r < table.rows.size(); ++r)
    pairs.push_back({space.from_text(table.rows[r][genome]), 0,
                     table.rows[r][source] == "sample" ? "sample" : "islands", 0,
                     to_number(table.rows[r][accuracy], path.string(), r)});
  return pairs;
}

std::string pairs_noise_csv(const space::SearchSpace& space, const std::vector<Twice>& pairs) {
  io::CsvWriter csv({"index", "accuracy_first", "accuracy_second", "genome"});
  for (std::size_t i = 0; i < pairs.size(); ++i)
    csv.row({std::to_string(i), io::number(pairs[i].first), io::number(pairs[i].second),
             space.to_text(pairs[i].genome)});
  return csv.text();
}

std::vector<Twice> read_pairs_noise(const space::SearchSpace& space, const fs::path& path) {
  const auto table = read_csv(path);
  const auto first = table.column("accuracy_first"), second = table.column("accuracy_second"),
             genome = table.column("genome");
  std::vector<Twice> pairs;
  for (std::size_t r = 0; r < table.rows.size(); ++r)
    pairs.push_back({space.from_text(table.rows[r][genome]),
                     to_number(table.rows[r][first], path.string(), r),
                     to_number(table.rows[r][second], path.string(), r)});
  return pairs;
}

predictor::Quality noise_ceiling(const std::vector<Twice>& pairs) {
  std::vector<double> first, second;
  for (const Twice& pair : pairs) {
    first.push_back(pair.first);
    second.push_back(pair.second);
  }
  return predictor::quality(first, second);
}

std::vector<predictor::Pair> as_pairs(const std::vector<Measured>& measured) {
  std::vector<predictor::Pair> pairs;
  for (const Measured& m : measured)
    if (!m.failed()) pairs.push_back({m.genome, m.accuracy});
  return pairs;
}

std::string failures(std::int64_t failed) { return failed > 0 ? fmt::format(", {} failed", failed) : ""; }

std::vector<search::Individual> individuals(const hw::CostModel& costs, const std::vector<Measured>& measured,
                                            const std::string& source) {
  std::vector<search::Individual> list;
  for (const Measured& m : measured)
    if (m.source == source) list.push_back({m.genome, {m.accuracy, costs.cost(m.genome).values}});
  return list;
}

std::string pareto_csv(const space::SearchSpace& space, const hw::CostModel& costs,
                       const std::vector<search::Budget>& budgets, const std::vector<Measured>& measured) {
  io::CsvWriter csv(
      with_costs({"source", "budget", "front"}, {"accuracy_predicted", "accuracy_validation", "genome"}));
  for (const std::string source : {"islands", "random", "uniform"}) {
    const auto front = search::pareto_front(individuals(costs, measured, source), 0);
    std::size_t index = 0;
    for (const Measured& m : measured) {
      if (m.source != source) continue;
      const bool on_front = std::find(front.begin(), front.end(), index++) != front.end();
      std::vector<std::string> row{m.source, budgets[static_cast<std::size_t>(m.budget)].name,
                                   on_front ? "1" : "0"};
      append_costs(row, costs.cost(m.genome));
      row.push_back(io::number(m.predicted));
      row.push_back(io::number(m.accuracy));
      row.push_back(space.to_text(m.genome));
      csv.row(row);
    }
  }
  return csv.text();
}

std::vector<Measured> read_measured(const space::SearchSpace& space, const std::string& pareto_csv,
                                    const std::string& origin, const std::vector<search::Budget>& budgets) {
  const auto table = io::parse_csv(pareto_csv, origin);
  const auto source = table.column("source"), budget = table.column("budget"),
             predicted = table.column("accuracy_predicted"), accuracy = table.column("accuracy_validation"),
             genome = table.column("genome");
  std::vector<Measured> measured;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const auto& row = table.rows[r];
    const auto found =
        std::find_if(budgets.begin(), budgets.end(), [&](auto& b) { return b.name == row[budget]; });
    validate(found != budgets.end(), ErrorKind::data, "{} line {}: budget {} is not in this configuration",
             origin, r + 2, row[budget]);
    measured.push_back({space.from_text(row[genome]), static_cast<int>(found - budgets.begin()), row[source],
                        to_number(row[predicted], origin, r), to_number(row[accuracy], origin, r)});
  }
  return measured;
}

std::string predictor_json(const predictor::Quality& fp32, const std::vector<predictor::Quality>& int8,
                           const std::optional<predictor::Quality>& noise_ceiling) {
  nlohmann::ordered_json json{{"fp32", quality_json(fp32, 1)}, {"int8", nlohmann::ordered_json::array()}};
  for (std::size_t v = 0; v < int8.size(); ++v) json["int8"].push_back(quality_json(int8[v], v + 1));
  if (noise_ceiling) json["noise_ceiling"] = ceiling_json(*noise_ceiling);
  return json.dump(1) + "\n";
}

namespace {

nlohmann::ordered_json parse_predictor(const std::string& text) {
  auto json = nlohmann::ordered_json::parse(text, nullptr, false);
  validate(json.is_object() && json["int8"].is_array() && !json["int8"].empty(), ErrorKind::data,
           "predictor.json is damaged (no list \"int8\") run 'apq predictor' again");
  return json;
}

}  // namespace

std::string without_refits(const std::string& predictor_json) {
  auto json = parse_predictor(predictor_json);
  json["int8"] = nlohmann::ordered_json::array({json["int8"].front()});
  return json.dump(1) + "\n";
}

std::string append_refit(const std::string& predictor_json, const predictor::Quality& int8) {
  auto json = parse_predictor(predictor_json);
  json["int8"].push_back(quality_json(int8, json["int8"].size() + 1));
  return json.dump(1) + "\n";
}

}  // namespace apq::pipeline
