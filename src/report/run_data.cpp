// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "report/run_data.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apq/core/error.hpp"
#include "apq/io/files.hpp"

namespace apq::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) { return json.is_string() ? json.get<std::string>() : json.dump(); }

Figure figure(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? Figure() : Figure(found->get<double>());
}

std::string text(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  return found == object.end() ? "" : text_of(*found);
}

Json::array_t list(const Json& object, const std::string& key) {
  return object.value(key, Json::array()).get<Json::array_t>();
}
Json group(const Json& object, const std::string& key) { return object.value(key, Json::object()); }

/// Parses a JSON file and hands it to `use`; any defect is Error(data) naming the file.
void read_json(const fs::path& path, const std::function<void(const Json&)>& use) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 26;
  const std::string content = io::read_text(path, kMaxBytes, ErrorKind::data);
  try {
    const Json json = Json::parse(content);
    validate(json.is_object(), ErrorKind::data, "cannot read {} (it holds no object) run the stage again",
             path.string());
    use(json);
  } catch (const Json::exception& e) {
    fail(ErrorKind::data, "cannot read {} ({}) run the stage again", path.string(), e.what());
  }
}

Network network(const Json& json) {
  Network n;
  const Json budget = group(json, "budget");
  const std::string metric = text(budget, "metric");
  const Figure limit = figure(budget, "limit");
  n.budget = fmt::format("{} <= {}", metric, limit ? io::number(*limit) : "?");
  for (const Json& also : list(budget, "and")) {
    const Figure bound = figure(also, "limit");
    n.budget += fmt::format(" and {} <= {}", text(also, "metric"), bound ? io::number(*bound) : "?");
  }
  if (metric == hw::metric_name(hw::Metric::latency_ms)) n.latency_limit = limit;
  n.genome = text(json, "genome");
  const Json cost = group(json, "cost");
  for (int m = 0; m < hw::kMetrics; ++m)
    n.cost[static_cast<std::size_t>(m)] = figure(cost, hw::metric_name(static_cast<hw::Metric>(m)));
  const Json accuracy = group(json, "accuracy");
  n.predicted = figure(accuracy, "predicted");
  n.validation = figure(accuracy, "validation");
  n.test = figure(accuracy, "test");
  return n;
}

void take_summary(const Json& json, RunData& run) {
  run.name = text(json, "name");
  for (const char* key : {"version", "config_hash", "seed", "ranks", "threads", "host"})
    if (json.contains(key)) run.provenance.emplace_back(key, text_of(json.at(key)));
  for (const Json& stage : list(json, "stages"))
    run.stages.push_back({text(stage, "name"), figure(stage, "seconds"), figure(stage, "peak_rss_mb")});
  for (const Json& entry : list(json, "networks")) run.networks.push_back(network(entry));
  const Json search = group(json, "search");
  for (const auto& [key, value] : search.items())
    if (value.is_number()) run.search.emplace_back(key, value.get<double>());
}

/// Whatever the manifest holds and the summary does not, groups flattened.
void take_manifest(const Json& json, RunData& run) {
  const auto add = [&](const std::string& name, const std::string& value) {
    const bool known = std::any_of(run.provenance.begin(), run.provenance.end(),
                                   [&](const auto& row) { return row.first == name; });
    if (!known) run.provenance.emplace_back(name, value);
  };
  for (const auto& [key, value] : json.items()) {
    if (key == "config") {
      run.config_text = text_of(value);
    } else if (value.is_object()) {
      for (const auto& [name, inner] : value.items())
        add(key == "libraries" ? name : key + " " + name, text_of(inner));
    } else {
      add(key, text_of(value));
    }
  }
}

QualityRow quality(const std::string& name, const Json& json) {
  return {name,
          figure(json, "pairs"),
          figure(json, "epochs"),
          figure(json, "rmse"),
          figure(json, "kendall_tau"),
          figure(json, "spearman"),
          figure(json, "pairwise_accuracy")};
}

void take_predictor(const Json& json, RunData& run) {
  if (json.contains("fp32")) run.quality.push_back(quality("fp32", json.at("fp32")));
  for (const Json& entry : list(json, "int8"))
    run.quality.push_back(quality("int8, version " + text(entry, "version"), entry));
}

double number(const io::CsvTable& table, std::size_t row, std::size_t column, const fs::path& path) {
  const std::string& field = table.rows[row][column];
  double value = 0;
  const auto [rest, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  validate(error == std::errc() && rest == field.data() + field.size(), ErrorKind::data,
           "cannot read {} ({} of data row {} is '{}', not a number) run the search again", path.string(),
           table.header[column], row + 1, field);
  return value;
}

io::CsvTable read_csv(const fs::path& path) {
  return io::parse_csv(io::read_text(path, std::size_t{1} << 28, ErrorKind::data), path.string());
}

std::size_t column(const io::CsvTable& table, const char* name, const fs::path& path) {
  const auto found = std::find(table.header.begin(), table.header.end(), name);
  validate(found != table.header.end(), ErrorKind::data, "cannot read {} (no column {}) run the search again",
           path.string(), name);
  return static_cast<std::size_t>(found - table.header.begin());
}

void take_pareto(const fs::path& path, RunData& run) {
  const io::CsvTable table = read_csv(path);
  const std::size_t source = column(table, "source", path), budget = column(table, "budget", path),
                    front = column(table, "front", path), latency = column(table, "latency_ms", path),
                    predicted = column(table, "accuracy_predicted", path),
                    validation = column(table, "accuracy_validation", path);
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const double accuracy = number(table, i, validation, path);
    if (std::isnan(accuracy)) continue;  // the measurement failed
    run.measured.push_back({table.rows[i][source], table.rows[i][budget], table.rows[i][front] == "1",
                            number(table, i, latency, path), number(table, i, predicted, path), accuracy});
  }
}

void take_history(const fs::path& path, RunData& run) {
  const io::CsvTable table = read_csv(path);
  const std::size_t generation = column(table, "generation", path), budget = column(table, "budget", path),
                    best = column(table, "best_accuracy_predicted", path);
  std::vector<std::string> budgets;                                      // in the order of the file
  std::map<std::string, std::map<double, std::vector<double>>> islands;  // by budget and generation
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const std::string& name = table.rows[i][budget];
    if (!islands.contains(name)) budgets.push_back(name);
    islands[name][number(table, i, generation, path)].push_back(number(table, i, best, path));
  }
  for (const std::string& name : budgets) {
    std::vector<Progress> line;
    for (const auto& [number_of_generation, values] : islands[name]) {
      const auto [lowest, highest] = std::minmax_element(values.begin(), values.end());
      const double sum = std::accumulate(values.begin(), values.end(), 0.0);
      line.push_back({number_of_generation, sum / static_cast<double>(values.size()), *lowest, *highest});
    }
    run.history.emplace_back(name, std::move(line));
  }
}

}  // namespace

Figure RunData::search_figure(const std::string& name) const {
  for (const auto& [key, value] : search)
    if (key == name) return value;
  return {};
}

RunData read_summary(const fs::path& folder) {
  std::error_code error;
  validate(fs::is_directory(folder, error), ErrorKind::data,
           "no run folder '{}' (no such folder) check --from", folder.string());
  const fs::path summary = folder / "summary.json";
  validate(fs::exists(summary, error), ErrorKind::data,
           "no summary.json in '{}' (no stage of a run has finished there) run it first or check --from",
           folder.string());
  RunData run;
  read_json(summary, [&](const Json& json) { take_summary(json, run); });
  if (run.name.empty()) run.name = folder.filename().string();
  return run;
}

RunData read_run(const fs::path& folder) {
  RunData run = read_summary(folder);
  const auto take = [&](const char* name, const std::function<void(const fs::path&)>& read) {
    std::error_code error;
    if (fs::exists(folder / name, error))
      read(folder / name);
    else
      run.missing.emplace_back(name);
  };
  const auto json = [&run](void (*take_json)(const Json&, RunData&)) {
    return [&run, take_json](const fs::path& path) {
      read_json(path, [&](const Json& content) { take_json(content, run); });
    };
  };
  take("manifest.json", json(take_manifest));
  take("predictor.json", json(take_predictor));
  take("pareto.csv", [&](const fs::path& path) { take_pareto(path, run); });
  take("history.csv", [&](const fs::path& path) { take_history(path, run); });
  return run;
}

}  // namespace apq::report
