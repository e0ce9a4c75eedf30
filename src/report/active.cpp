// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/report/active.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "apq/core/error.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "report/active_table.hpp"
#include "report/gnuplot.hpp"
#include "report/transfer_curves.hpp"

namespace apq::report {
namespace {

namespace fs = std::filesystem;

constexpr const char *kTable = "active_learning.csv", *kNetworks = "active_front.csv";

double number_at(const io::CsvTable& table, std::size_t row, std::size_t column, const std::string& origin) {
  const std::string& text = table.rows[row][column];
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  validate(error == std::errc{} && end == text.data() + text.size(), ErrorKind::data,
           "{} line {}: {} is \"{}\" (no number) run the study again", origin, row + 2, table.header[column],
           text);
  return value;
}

io::CsvTable read_table(const fs::path& file) {
  validate(fs::exists(file), ErrorKind::data, "{} is missing (no study is there) run 'apq study active'",
           file.string());
  return io::parse_csv(io::read_text(file), file.string());
}

/// Without seeds that failed.
BySeed numbers(const BySeed& figures) {
  BySeed result;
  for (const auto& [seed, value] : figures)
    if (!std::isnan(value)) result[seed] = value;
  return result;
}

/// "92.31 (92.10 to 92.50)": median, smallest and largest, times 100 for fractions.
std::string spread_text(const BySeed& all, double scale, int digits) {
  const BySeed figures = numbers(all);
  if (figures.empty()) return "-";
  const auto [low, high] = std::ranges::minmax_element(figures, {}, [](const auto& f) { return f.second; });
  if (low->second == high->second) return fmt::format("{:.{}f}", scale * low->second, digits);
  return fmt::format("{:.{}f} ({:.{}f} to {:.{}f})", scale * median(figures), digits, scale * low->second,
                     digits, scale * high->second, digits);
}

const ActiveArm* arm_named(const std::vector<ActiveArm>& arms, const std::string& name) {
  const auto found = std::ranges::find(arms, name, &ActiveArm::name);
  return found == arms.end() ? nullptr : &*found;
}

std::string figures_table(const std::vector<ActiveArm>& arms, const std::vector<std::string>& columns) {
  std::string text = "| |", rule = "|---|";
  for (const ActiveArm& arm : arms) {
    text += fmt::format(" {} |", arm.name);
    rule += "---|";
  }
  text += "\n" + rule + "\n";
  for (const std::string& column : columns) {
    const bool count = column == "pairs" || column == "labels_bought";
    std::string title = column;  // "accuracy <name of a budget>" stays as it is
    if (!title.starts_with("accuracy ")) std::ranges::replace(title, '_', ' ');
    text += fmt::format("| {} |", title + (count ? "" : column == "hypervolume" ? " (points)" : " (%)"));
    for (const ActiveArm& arm : arms)
      text += fmt::format(" {} |", spread_text(arm.figures.at(column), count ? 1 : 100, count ? 0 : 2));
    text += "\n";
  }
  return text;
}

std::string differences_table(const std::vector<ActiveArm>& arms, const std::vector<std::string>& columns) {
  const ActiveArm* random = arm_named(arms, "random");
  std::string text;
  for (const ActiveArm& arm : arms) {
    if (&arm == random) continue;
    for (const std::string& column : columns)
      text += fmt::format("| {} | {} | {} |\n", arm.name, column == "hypervolume" ? column : "mean accuracy",
                          differences_text(differences(arm.figures.at(column), random->figures.at(column))));
  }
  return "| less random | figure | difference |\n|---|---|---|\n" + text;
}

/// Measured accuracy by arm and limit, over seeds.
void draw(const io::CsvTable& table, const std::vector<ActiveArm>& arms, const fs::path& folder) {
  const auto seed = table.column("seed"), arm = table.column("arm"), limit = table.column("limit"),
             budget = table.column("budget"), accuracy = table.column("accuracy_validation");
  std::map<std::string, std::map<double, BySeed>> by_arm;
  std::string metric;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const auto& row = table.rows[r];
    metric = row[budget].substr(0, row[budget].find('<'));
    const double value = number_at(table, r, accuracy, kNetworks);
    if (!std::isnan(value)) by_arm[row[arm]][number_at(table, r, limit, kNetworks)][row[seed]] = value;
  }
  io::CsvWriter csv({"arm", "limit", "median", "low", "high"});
  std::set<double> limits;
  const char* colours[] = {"#d55e00", "#009e73", "#0072b2", "#8c8c8c", "#cc79a7"};
  std::vector<std::string> lines;
  for (std::size_t a = 0; a < arms.size(); ++a) {
    const std::string& name = arms[a].name;
    const double shift = 1 + 0.012 * (static_cast<double>(a) - 1.5);  // bars beside one another
    for (const auto& [at, by_seed] : by_arm[name]) {
      limits.insert(at);
      const auto [low, high] =
          std::ranges::minmax_element(by_seed, {}, [](const auto& s) { return s.second; });
      csv.row({name, io::number(at * shift), io::number(100 * median(by_seed)), io::number(100 * low->second),
               io::number(100 * high->second)});
    }
    lines.push_back(
        fmt::format("'active.csv' using (strcol(1) eq '{0}' ? $2 : NaN):3:4:5 with yerrorlines pt 7 lc rgb "
                    "'{1}' title '{0}'",
                    name, colours[a % std::size(colours)]));
  }
  csv.save(folder / "active.csv");
  if (limits.empty()) return;
  io::write_atomically(
      folder / "active.gp",
      fmt::format(
          "# Makes active.svg and active.png from active.csv:  gnuplot active.gp\n"
          "set datafile separator comma\nset logscale x\nset xrange [{}:{}]\n"
          "set xlabel 'limit of {} (points: medians; bars: smallest and largest over seeds)' noenhanced\n"
          "set ylabel 'measured accuracy of the network chosen, %'\n"
          "set grid lc rgb '#e4e4e4' lt 1\nset key bottom right\n"
          "set terminal svg size 760,460 background rgb 'white'\nset output 'active.svg'\nplot {}\n"
          "set terminal pngcairo size 1520,920 fontscale 1.7 linewidth 2 pointscale 2\n"
          "set output 'active.png'\nreplot\nset output\n",
          0.8 * *limits.begin(), 1.25 * *limits.rbegin(), metric, fmt::join(lines, ", \\\n     ")));
  if (const std::string problem = run_gnuplot(folder, "active.gp"); !problem.empty())
    log::warn("no plot active: {}", problem);
}

}  // namespace

std::vector<ActiveArm> read_arms(const io::CsvTable& table, const std::string& origin) {
  const auto seed = table.column("seed"), name = table.column("arm");
  std::vector<ActiveArm> arms;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    auto found = std::ranges::find(arms, table.rows[r][name], &ActiveArm::name);
    if (found == arms.end()) found = arms.insert(arms.end(), ActiveArm{table.rows[r][name], {}});
    for (std::size_t c = 0; c < table.header.size(); ++c)
      if (c != seed && c != name)
        found->figures[table.header[c]][table.rows[r][seed]] = number_at(table, r, c, origin);
  }
  return arms;
}

BySeed differences(const BySeed& a, const BySeed& b) {
  BySeed result;
  for (const auto& [seed, value] : a)
    if (const auto other = b.find(seed); other != b.end()) result[seed] = value - other->second;
  return numbers(result);
}

std::string differences_text(const BySeed& differences) {
  if (differences.empty()) return "not measured";
  const auto [low, high] =
      std::ranges::minmax_element(differences, {}, [](const auto& d) { return d.second; });
  const auto above = std::ranges::count_if(differences, [](const auto& d) { return d.second > 0; });
  return fmt::format("{:+.2f} points (median over {} seeds, {:+.2f} to {:+.2f}; {} of {} above 0)",
                     100 * median(differences), differences.size(), 100 * low->second, 100 * high->second,
                     above, differences.size());
}

std::string active_headline(const std::vector<ActiveArm>& arms) {
  const ActiveArm *active = arm_named(arms, "active"), *random = arm_named(arms, "random");
  validate(active != nullptr && random != nullptr, ErrorKind::data,
           "{} has no arms active and random (it is of no study of active learning) run 'apq study active'",
           kTable);
  return fmt::format(
      "active learning less as many random pairs ({}): hypervolume {}",
      spread_text(active->figures.at("pairs"), 1, 0),
      differences_text(differences(active->figures.at("hypervolume"), random->figures.at("hypervolume"))));
}

std::string write_active(const fs::path& folder, const std::string& setting) {
  const io::CsvTable table = read_table(folder / kTable), networks = read_table(folder / kNetworks);
  const std::vector<ActiveArm> arms = read_arms(table, (folder / kTable).string());
  const std::string headline = active_headline(arms);
  std::error_code error;
  fs::create_directories(folder / "plots", error);
  validate(!error, ErrorKind::io, "cannot create {} ({}) choose another --out", (folder / "plots").string(),
           error.message());
  draw(networks, arms, folder / "plots");
  std::vector<std::string> columns;
  for (const std::string& name : table.header)
    if (name != "seed" && name != "arm" && name != "start") columns.push_back(name);
  io::write_atomically(
      folder / "active.md",
      fmt::format(
          "# Study of active learning\n\n{}. Written by apq {}; configuration and machine: manifest.json.\n\n"
          "- {}\n\nactive: the search buys labels of its elites{}; chosen: a search afresh from the pairs "
          "that "
          "active ended with; random: as many random pairs; start: the pairs all begin with. All figures are "
          "of the networks each chooses, measured with images in orders that no predictor learned from; what "
          "orders differ by for all networks alike is part of the errors of prediction (mean error: "
          "predicted "
          "less measured). Median (smallest to largest) over seeds:\n\n{}\nSeed by seed:\n\n{}\n"
          "![Measured accuracy at limits](plots/active.png)\n",
          setting, version(), headline,
          arm_named(arms, "good") ? ", good or uncertain ones (search.exploration); good: of good ones only"
                                  : "",
          figures_table(arms, columns), differences_table(arms, {"hypervolume", "mean_accuracy"})));
  return headline;
}

}  // namespace apq::report
