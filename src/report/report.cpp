// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/report/report.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "apq/core/error.hpp"
#include "apq/core/log.hpp"
#include "apq/io/files.hpp"
#include "report/gnuplot.hpp"
#include "report/html.hpp"
#include "report/plots.hpp"
#include "report/run_data.hpp"
#include "report/tables.hpp"

namespace apq::report {
namespace {

namespace fs = std::filesystem;

/// Writes data and script, draws, and returns the picture; why there is none goes into `problem`.
std::string draw(const Plot& plot, const fs::path& folder, std::string& problem) {
  io::write_atomically(folder / (plot.name + ".csv"), plot.csv);
  io::write_atomically(folder / (plot.name + ".gp"), plot.script);
  std::error_code none;
  fs::remove(folder / (plot.name + ".svg"), none);  // an old picture must not pass for a new one
  fs::remove(folder / (plot.name + ".png"), none);
  const std::string why = run_gnuplot(folder, plot.name + ".gp");
  if (why.empty()) return io::read_text(folder / (plot.name + ".svg"));
  problem = why;
  return {};
}

}  // namespace

void write(const fs::path& run_folder) {
  const RunData run = read_run(run_folder);
  const fs::path folder = run_folder / "plots";
  std::error_code error;
  fs::create_directories(folder, error);
  validate(!error, ErrorKind::io, "cannot create {} ({}) check permissions and space", folder.string(),
           error.message());
  std::vector<Picture> pictures;
  std::string problem;
  for (const Plot& plot : make_plots(run)) pictures.push_back({plot, draw(plot, folder, problem)});
  if (!problem.empty()) log::warn("the report has no plots: {}", problem);
  io::write_atomically(run_folder / "report.html", html(run, pictures, problem));
}

std::string headline(const fs::path& run_folder) {
  Table table = network_table(read_summary(run_folder));
  if (table.rows.empty()) return "no network yet\n";
  std::vector<std::size_t> widths(table.header.size());
  table.rows.insert(table.rows.begin(), table.header);
  for (const auto& row : table.rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const auto& row : table.rows) {
    text += fmt::format("{:<{}}", row[0], widths[0]);
    for (std::size_t c = 1; c < row.size(); ++c) text += fmt::format("  {:>{}}", row[c], widths[c]);
    text += '\n';
  }
  return text;
}

}  // namespace apq::report
