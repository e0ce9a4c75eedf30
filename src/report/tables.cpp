// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "report/tables.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <ranges>

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
  constexpr std::array<std::pair<const char*, const char*>, 3> kSources{
      {{"islands", "islands"}, {"random", "random search"}, {"uniform", "uniform bits"}}};
  Table table{{""}, {}};
  std::vector<std::string> sources, budgets;
  for (const auto& [source, title] : kSources)
    if (std::ranges::count(run.measured, source, &Measured::source) > 0) {
      sources.emplace_back(source);
      table.header.emplace_back(title);
    }
  for (const Measured& m : run.measured)
    if (std::ranges::count(budgets, m.budget) == 0) budgets.push_back(m.budget);
  const auto row = [&](const std::string& name, const auto& figure) {
    table.rows.push_back({name});
    for (const std::string& source : sources) table.rows.back().push_back(figure(source));
  };
  const auto of = [&](const std::string& source) {
    return run.measured | std::views::filter([source](const Measured& m) { return m.source == source; });
  };
  row("networks measured", [&](auto& source) { return std::to_string(std::ranges::distance(of(source))); });
  row("of these on the front",
      [&](auto& source) { return std::to_string(std::ranges::count(of(source), true, &Measured::front)); });
  for (const std::string& budget : budgets)
    row("best for " + budget + " (%)", [&](auto& source) {
      Figure best;
      for (const Measured& m : of(source))
        if (m.budget == budget) best = std::max(best.value_or(0), m.validation);
      return short_percent(best);
    });
  row("hypervolume", [&](auto& source) { return short_number(run.search_figure(source + "_hypervolume")); });
  if (sources.empty()) table.rows.clear();
  return table;
}

}  // namespace apq::report
