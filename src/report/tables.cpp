// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "report/tables.hpp"

#include <algorithm>
#include <cmath>

#include "apq/core/error.hpp"

namespace apq::report {

std::string short_number(const Figure& value) {
  if (!value) return "-";
  return std::abs(*value) >= 1000 ? fmt::format("{:.0f}", *value) : fmt::format("{:.4g}", *value);
}

std::string short_percent(const Figure& share) { return share ? fmt::format("{:.2f}", 100 * *share) : "-"; }

Table network_table(const RunData& run) {
  Table table;
  table.header = {"budget"};
  for (int m = 0; m < hw::kMetrics; ++m)
    table.header.emplace_back(hw::metric_name(static_cast<hw::Metric>(m)));
  for (const char* accuracy : {"predicted %", "validation %", "test %"}) table.header.emplace_back(accuracy);
  for (const Network& n : run.networks) {
    std::vector<std::string> row{n.budget};
    for (const Figure& cost : n.cost) row.push_back(short_number(cost));
    for (const Figure& accuracy : {n.predicted, n.validation, n.test}) row.push_back(short_percent(accuracy));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table stage_table(const RunData& run) {
  Table table{{"stage", "seconds", "peak memory of a rank (MB)"}, {}};
  double total = 0;
  for (const StageRow& stage : run.stages) {
    const std::string seconds = stage.seconds ? fmt::format("{:.1f}", *stage.seconds) : "-";
    const std::string memory = stage.peak_rss_mb ? fmt::format("{:.0f}", *stage.peak_rss_mb) : "-";
    table.rows.push_back({stage.name, seconds, memory});
    total += stage.seconds.value_or(0);
  }
  if (!table.rows.empty()) table.rows.push_back({"all", fmt::format("{:.1f}", total), ""});
  return table;
}

Table quality_table(const RunData& run) {
  Table table{{"predictor", "held-out pairs", "epochs", "RMSE (points)", "Kendall tau", "Spearman",
               "ranked as measured %"},
              {}};
  for (const QualityRow& q : run.quality)
    table.rows.push_back({q.predictor, short_number(q.pairs), short_number(q.epochs), short_percent(q.rmse),
                          q.kendall_tau ? fmt::format("{:.3f}", *q.kendall_tau) : "-",
                          q.spearman ? fmt::format("{:.3f}", *q.spearman) : "-",
                          short_percent(q.pairwise_accuracy)});
  return table;
}

Table comparison_table(const RunData& run) {
  Table table{{"", "islands", "random search"}, {}};
  const auto count = [&](bool islands, bool front) {
    const auto n = std::count_if(run.measured.begin(), run.measured.end(), [&](const Measured& m) {
      return m.islands == islands && (m.front || !front);
    });
    return n == 0 ? "-" : std::to_string(n);
  };
  if (!run.measured.empty()) {
    table.rows.push_back({"networks measured", count(true, false), count(false, false)});
    table.rows.push_back({"of these on the front", count(true, true), count(false, true)});
  }
  const Figure ours = run.search_figure("islands_hypervolume"),
               random = run.search_figure("random_hypervolume");
  if (ours || random) table.rows.push_back({"hypervolume", short_number(ours), short_number(random)});
  return table;
}

}  // namespace apq::report
