// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "report/plots.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "apq/core/error.hpp"
#include "apq/io/files.hpp"

namespace apq::report {
namespace {

// Colours that stay apart for colour-blind readers (Okabe and Ito).
constexpr const char* kBlue = "#0072b2";
constexpr const char* kGrey = "#8c8c8c";
constexpr const char* kRed = "#d55e00";
constexpr std::array<const char*, 6> kColours = {kBlue, kRed, "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

std::string percent(double share) { return fmt::format("{:.4f}", 100 * share); }

/// Text that a gnuplot string may hold, whatever a file says.
std::string label(const std::string& text) {
  std::string result;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)) ||
        std::string_view(" ._<=-").find(c) != std::string_view::npos)
      result += c;
  return result.substr(0, 60);
}

/// Settings, then the same plot as SVG and as PNG.
std::string script(const std::string& name, const std::string& settings,
                   const std::vector<std::string>& curves) {
  return fmt::format(R"(# Makes {0}.svg and {0}.png from {0}.csv:  gnuplot {0}.gp
set datafile separator comma
set encoding utf8
set border 3 lc rgb '#606060'
set tics nomirror out tc rgb '#303030'
set grid lc rgb '#e4e4e4' lt 1
set key above left horizontal noenhanced Left reverse samplen 1.5 width 1 tc rgb '#303030'
{1}
set terminal svg size 760,460 font 'Helvetica,Arial,sans-serif,13' background rgb 'white' name '{0}'
set output '{0}.svg'
plot {2}
set terminal pngcairo size 1520,920 font 'Helvetica,13' fontscale 1.7 linewidth 2 pointscale 2
set output '{0}.png'
replot
set output
)",
                     name, settings, fmt::join(curves, ", \\\n     "));
}

/// Rows "series,x,y" and the curve that picks one series.
class SeriesTable {
 public:
  explicit SeriesTable(std::string file) : file_(std::move(file)) {}
  void add(const std::string& series, double x, double y) {
    csv_.row({series, io::number(x), io::number(y)});
    if (std::find(names_.begin(), names_.end(), series) == names_.end()) names_.push_back(series);
  }
  bool has(const std::string& series) const {
    return std::find(names_.begin(), names_.end(), series) != names_.end();
  }
  /// The curve, when the series has points.
  void curve(std::vector<std::string>& curves, const std::string& series, const std::string& style) const {
    if (has(series))
      curves.push_back(
          fmt::format("'{0}' using (strcol(1) eq '{1}' ? $2 : NaN):3 {2}", file_, series, style));
  }
  const std::string& text() const { return csv_.text(); }

 private:
  std::string file_;
  io::CsvWriter csv_{{"series", "x", "y"}};
  std::vector<std::string> names_;
};

/// Where measured networks come from, and how they are drawn; what is drawn last is on top.
struct Source {
  const char* name;
  const char* title;
  const char* colour;
  const char* points;
};
constexpr std::array kSources = {Source{"random", "random", kGrey, "pt 6 ps 0.5"},
                                 Source{"uniform", "uniform bits", kColours[2], "pt 4 ps 0.5"},
                                 Source{"islands", "islands", kBlue, "pt 7 ps 0.45"}};

std::vector<Measured> of(const RunData& run, const std::string& source, bool front_only) {
  std::vector<Measured> chosen;
  std::copy_if(run.measured.begin(), run.measured.end(), std::back_inserter(chosen),
               [&](const Measured& m) { return m.source == source && (m.front || !front_only); });
  std::sort(chosen.begin(), chosen.end(), [](const Measured& a, const Measured& b) {
    return std::pair(a.latency_ms, a.validation) < std::pair(b.latency_ms, b.validation);
  });
  return chosen;
}

Plot accuracy_against_latency(const RunData& run) {
  SeriesTable table("accuracy_latency.csv");
  for (const auto& [name, title, colour, points] : kSources) {
    const std::string source = name;
    for (const Measured& m : of(run, source, false)) table.add(source, m.latency_ms, 100 * m.validation);
    for (const Measured& m : of(run, source, true))
      table.add(source + " front", m.latency_ms, 100 * m.validation);
  }
  for (const Network& n : run.networks)
    if (const Figure latency = n.cost[static_cast<std::size_t>(hw::Metric::latency_ms)]; latency && n.test)
      table.add("test", *latency, 100 * *n.test);

  std::string settings =
      "set xlabel 'latency of the hardware model (ms)'\nset ylabel 'accuracy (%)'\n"
      "set offsets graph 0.03, graph 0.03, graph 0.05, graph 0.03";
  for (const Network& n : run.networks)
    if (n.latency_limit)
      settings +=
          fmt::format("\nset arrow from {0}, graph 0 to {0}, graph 1 nohead dt 3 lc rgb '#b0b0b0' back",
                      io::number(*n.latency_limit));
  std::vector<std::string> curves;
  for (const auto& [name, title, colour, points] : kSources) {
    const std::string source = name;
    table.curve(curves, source, fmt::format("with points {} lc rgb '{}' title '{}'", points, colour, title));
    table.curve(curves, source + " front",
                fmt::format("with steps lw {} lc rgb '{}' title '{} front'", source == "islands" ? 2 : 1.5,
                            colour, title));
  }
  table.curve(curves, "test", fmt::format("with points pt 9 ps 1.2 lc rgb '{}' title 'test set'", kRed));
  Plot plot{
      "accuracy_latency", "Accuracy against latency",
      "Every network that was measured as an integer network on validation images. A front shows the best "
      "accuracy within a latency. Dotted lines are the budgets, triangles the fine-tuned networks on the "
      "test set.",
      table.text(), ""};
  if (!curves.empty()) plot.script = script(plot.name, settings, curves);
  return plot;
}

Plot search_history(const RunData& run) {
  constexpr std::size_t kMostPoints = 500;
  io::CsvWriter csv({"budget", "generation", "mean_percent", "lowest_percent", "highest_percent"});
  std::vector<std::string> bands, lines;
  for (std::size_t b = 0; b < run.history.size(); ++b) {
    const auto& [name, progress] = run.history[b];
    const std::size_t stride = (progress.size() + kMostPoints - 1) / kMostPoints;
    for (std::size_t i = 0; i < progress.size(); ++i)
      if (const Progress& p = progress[i]; i % stride == 0 || i + 1 == progress.size())
        csv.row({std::to_string(b), io::number(p.generation), percent(p.mean), percent(p.lowest),
                 percent(p.highest)});
    const std::string data = fmt::format("'search_history.csv' using ($1 == {} ? $2 : NaN)", b);
    const char* colour = kColours[b % kColours.size()];
    bands.push_back(fmt::format(
        "{}:4:5 with filledcurves fs transparent solid 0.18 noborder lc rgb '{}' notitle", data, colour));
    lines.push_back(fmt::format("{}:3 with lines lw 2 lc rgb '{}' title '{}'", data, colour, label(name)));
  }
  bands.insert(bands.end(), lines.begin(), lines.end());
  Plot plot{"search_history", "Search history",
            "Best predicted accuracy of each budget: mean over islands, with the worst and the best island "
            "as a band. "
            "A jump is a new predictor, fitted to more measured networks.",
            csv.text(), ""};
  const std::string settings = "set xlabel 'generation'\nset ylabel 'best predicted accuracy (%)'";
  if (!lines.empty()) plot.script = script(plot.name, settings, bands);
  return plot;
}

Plot predicted_against_measured(const RunData& run) {
  SeriesTable table("predicted_measured.csv");
  double lowest = 100, highest = 0;
  for (const Source& source : kSources)
    for (const Measured& m : of(run, source.name, false)) {
      table.add(source.name, 100 * m.predicted, 100 * m.validation);
      lowest = std::min({lowest, 100 * m.predicted, 100 * m.validation});
      highest = std::max({highest, 100 * m.predicted, 100 * m.validation});
    }
  const double margin = std::max(0.04 * (highest - lowest), 0.1);
  const std::string range = fmt::format("[{:.4f}:{:.4f}]", lowest - margin, highest + margin);
  const std::string settings = fmt::format(
      "set xlabel 'predicted accuracy (%)'\nset ylabel 'measured accuracy (%)'\n"
      "set xrange {0}\nset yrange {0}",
      range);
  std::vector<std::string> curves;
  for (const auto& [name, title, colour, points] : kSources)
    table.curve(curves, name, fmt::format("with points {} lc rgb '{}' title '{}'", points, colour, title));
  Plot plot{"predicted_measured", "Predicted against measured accuracy",
            "Networks the search measured as integer networks on validation images, against what the "
            "quantization-aware predictor had said. On the line both are equal.",
            table.text(), ""};
  if (curves.empty()) return plot;
  curves.push_back("x with lines dt 2 lc rgb '#606060' notitle");
  plot.script = script(plot.name, settings, curves);
  return plot;
}

}  // namespace

std::vector<Plot> make_plots(const RunData& run) {
  std::vector<Plot> plots{accuracy_against_latency(run), search_history(run),
                          predicted_against_measured(run)};
  std::erase_if(plots, [](const Plot& plot) { return plot.script.empty(); });
  return plots;
}

}  // namespace apq::report
