// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/report/transfer.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "apq/core/error.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "report/gnuplot.hpp"
#include "report/transfer_curves.hpp"

namespace apq::report {
namespace {

namespace fs = std::filesystem;

constexpr int kPairs = 100;         ///< at which the lead is told
constexpr double kAccuracy = 0.85;  ///< for which pairs are counted

struct Spread {
  double median = 0, low = 0, high = 0;
};

Spread spread(const std::map<std::string, double>& by_seed) {
  const auto [low, high] = std::minmax_element(by_seed.begin(), by_seed.end(),
                                               [](auto& a, auto& b) { return a.second < b.second; });
  return {median(by_seed), low->second, high->second};
}

std::vector<NamedCurve> read_if_there(const fs::path& file) {
  if (!fs::exists(file)) return {};
  return read_curves(io::parse_csv(io::read_text(file), file.string()), file.string());
}

Curve curve_of(const std::vector<NamedCurve>& curves, const std::string& name) {
  const auto found = std::ranges::find(curves, name, &NamedCurve::name);
  return found == curves.end() ? Curve{} : found->curve;
}

void draw(const std::vector<NamedCurve>& curves, const fs::path& folder) {
  io::CsvWriter csv({"init", "pairs", "median", "low", "high"});
  std::vector<std::string> lines;
  const char* colours[] = {"#0072b2", "#d55e00", "#009e73", "#8c8c8c"};
  std::set<int> sizes;
  for (std::size_t c = 0; c < curves.size(); ++c) {
    for (const auto& [pairs, by_seed] : curves[c].curve) {
      const Spread s = spread(by_seed);
      csv.row({curves[c].name, std::to_string(pairs), io::number(100 * s.median), io::number(100 * s.low),
               io::number(100 * s.high)});
      sizes.insert(pairs);
    }
    lines.push_back(
        fmt::format("'transfer.csv' using (strcol(1) eq '{0}' ? $2 : NaN):3:4:5 with yerrorlines pt 7 {1}lc "
                    "rgb '{2}' title "
                    "'{0}'",
                    curves[c].name, c < 2 ? "" : "dt 2 ", colours[c % 4]));
  }
  csv.save(folder / "transfer.csv");
  io::write_atomically(
      folder / "transfer.gp",
      fmt::format(
          "# Makes transfer.svg and transfer.png from transfer.csv:  gnuplot transfer.gp\n"
          "set datafile separator comma\nset logscale x\nset xtics ({})\nset xrange [{}:{}]\n"
          "set xlabel 'int8 pairs to train on (points: medians; bars: smallest and largest over seeds)'\n"
          "set ylabel 'pairwise accuracy on the test part, %'\n"
          "set grid lc rgb '#e4e4e4' lt 1\nset key bottom right\n"
          "set terminal svg size 760,460 background rgb 'white'\nset output 'transfer.svg'\nplot {}\n"
          "set terminal pngcairo size 1520,920 fontscale 1.7 linewidth 2 pointscale 2\n"
          "set output 'transfer.png'\nreplot\nset output\n",
          fmt::join(sizes, ", "), 0.8 * *sizes.begin(), 1.25 * *sizes.rbegin(),
          fmt::join(lines, ", \\\n     ")));
  if (const std::string problem = run_gnuplot(folder, "transfer.gp"); !problem.empty())
    log::warn("no plot transfer: {}", problem);
}

std::string table(const std::vector<NamedCurve>& curves) {
  std::set<int> sizes;
  for (const NamedCurve& c : curves)
    for (const auto& [pairs, by_seed] : c.curve) sizes.insert(pairs);
  std::string text = "| predictor |", rule = "|---|";
  for (const int size : sizes) {
    text += fmt::format(" {} pairs |", size);
    rule += "---|";
  }
  text += "\n" + rule + "\n";
  for (const NamedCurve& c : curves) {
    text += fmt::format("| {} |", c.name);
    for (const int size : sizes) {
      if (!c.curve.contains(size)) {
        text += " - |";
        continue;
      }
      const Spread s = spread(c.curve.at(size));
      text += fmt::format(" {:.1f} ({:.1f} to {:.1f}) |", 100 * s.median, 100 * s.low, 100 * s.high);
    }
    text += "\n";
  }
  return text;
}

}  // namespace

std::vector<NamedCurve> read_curves(const io::CsvTable& table, const std::string& origin) {
  const auto pairs = table.column("pairs"), init = table.column("init"), seed = table.column("seed"),
             accuracy = table.column("pairwise_accuracy");
  const auto number = [&](std::size_t row, std::size_t column, auto value) {
    const std::string& text = table.rows[row][column];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    validate(error == std::errc{} && end == text.data() + text.size(), ErrorKind::data,
             "{} line {}: {} is \"{}\" (no number) run the study again", origin, row + 2,
             table.header[column], text);
    return value;
  };
  std::vector<NamedCurve> curves;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    auto found = std::ranges::find(curves, table.rows[r][init], &NamedCurve::name);
    if (found == curves.end()) found = curves.insert(curves.end(), NamedCurve{table.rows[r][init], {}});
    found->curve[number(r, pairs, 0)][table.rows[r][seed]] = number(r, accuracy, 0.0);
  }
  return curves;
}

double median(const std::map<std::string, double>& by_seed) {
  std::vector<double> values;
  for (const auto& [seed, value] : by_seed) values.push_back(value);
  std::ranges::sort(values);
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

std::string pairs_needed(const Curve& curve, double accuracy) {
  double pairs_before = 0, accuracy_before = 0;
  for (const auto& [pairs, by_seed] : curve) {
    const double here = median(by_seed);
    if (here >= accuracy) {
      if (pairs_before == 0) return fmt::format("at most {}", pairs);
      const double share = (accuracy - accuracy_before) / (here - accuracy_before);
      return fmt::format("{:.0f}", std::round(pairs_before * std::pow(pairs / pairs_before, share)));
    }
    pairs_before = pairs;
    accuracy_before = here;
  }
  return "not reached";
}

std::string transfer_headline(const Curve& transfer, const Curve& scratch) {
  std::map<std::string, double> lead;
  if (transfer.contains(kPairs) && scratch.contains(kPairs))
    for (const auto& [seed, value] : transfer.at(kPairs))
      if (scratch.at(kPairs).contains(seed)) lead[seed] = 100 * (value - scratch.at(kPairs).at(seed));
  std::string text = fmt::format("lead of transfer with {} int8 pairs: ", kPairs);
  if (lead.empty()) {
    text += "not measured";
  } else {
    const double with = 100 * median(transfer.at(kPairs)), without = 100 * median(scratch.at(kPairs));
    const Spread by_seed = spread(lead);
    text += fmt::format(
        "{:+.1f} points of pairwise accuracy ({:.1f} % against {:.1f} %, medians; seed by seed {:+.1f} to "
        "{:+.1f}, median {:+.1f})",
        with - without, with, without, by_seed.low, by_seed.high, by_seed.median);
  }
  return text + fmt::format("\nint8 pairs needed for {:.0f} % pairwise accuracy: transfer {}, scratch {}",
                            100 * kAccuracy, pairs_needed(transfer, kAccuracy),
                            pairs_needed(scratch, kAccuracy));
}

std::string write_transfer(const fs::path& folder, const std::string& setting) {
  const auto ablation = read_if_there(folder / "transfer_ablation.csv"),
             references = read_if_there(folder / "reference_predictors.csv"),
             variants = read_if_there(folder / "transfer_variants.csv");
  const Curve transfer = curve_of(ablation, "transfer"), scratch = curve_of(ablation, "scratch");
  validate(
      !transfer.empty() && !scratch.empty(), ErrorKind::data,
      "{} has no transfer study (transfer_ablation.csv with transfer and scratch) run 'apq study transfer'",
      folder.string());
  std::vector<NamedCurve> curves = ablation;
  curves.insert(curves.end(), references.begin(), references.end());
  std::error_code error;
  fs::create_directories(folder / "plots", error);
  validate(!error, ErrorKind::io, "cannot create {} ({}) choose another --out", (folder / "plots").string(),
           error.message());
  draw(curves, folder / "plots");
  curves.insert(curves.begin() + static_cast<std::ptrdiff_t>(ablation.size()), variants.begin(),
                variants.end());
  const std::string headline = transfer_headline(transfer, scratch);
  std::string lines = headline;
  for (std::size_t at = 0; (at = lines.find('\n', at)) != std::string::npos; at += 3)
    lines.insert(at + 1, "- ");
  io::write_atomically(
      folder / "transfer.md",
      fmt::format(
          "# Transfer study\n\n{}. Written by apq {}; configuration and machine: manifest.json.\n\n"
          "- {}\n\nPairwise accuracy on the test part in %, median (smallest to largest) over seeds:\n\n"
          "{}\n![Pairwise accuracy against pairs](plots/transfer.png)\n",
          setting, version(), lines, table(curves)));
  return headline;
}

}  // namespace apq::report
