// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cctype>
#include <system_error>

#include "apq/core/error.hpp"
#include "apq/io/files.hpp"
#include "apq/report/report.hpp"
#include "report/gnuplot.hpp"

namespace apq::report {
namespace {

namespace fs = std::filesystem;

/// A folder of its own beside the picture, removed with what is in it.
class Workshop {
 public:
  explicit Workshop(const fs::path& file) : folder_(file.string() + ".drawing") {
    std::error_code error;
    fs::create_directories(folder_, error);
    validate(!error, ErrorKind::io, "cannot create {} ({}) check permissions and space", folder_.string(),
             error.message());
  }
  ~Workshop() {
    std::error_code none;
    fs::remove_all(folder_, none);
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  /// `plot` is the script after the terminal; the data lie in data.csv.
  void draw(const std::string& data, const std::string& plot, int height, const fs::path& file) const {
    const bool svg = file.extension() == ".svg";
    validate(svg || file.extension() == ".png", ErrorKind::usage,
             "cannot draw {} (only PNG and SVG) end its name in .png or .svg", file.string());
    io::write_atomically(folder_ / "data.csv", data);
    io::write_atomically(
        folder_ / "plot.gp",
        fmt::format(
            "set datafile separator comma\nset terminal {}\nset output 'picture'\n"
            "set border 3 lc rgb '#606060'\nset tics nomirror out tc rgb '#303030'\n"
            "set grid lc rgb '#e4e4e4' lt 1\nunset key\n{}\nset output\n",
            svg ? fmt::format("svg size 760,{} font 'Helvetica,Arial,sans-serif,12' background rgb 'white'",
                              height)
                : fmt::format(
                      "pngcairo size 1520,{} font 'Helvetica,12' fontscale 1.7 linewidth 2 pointscale 2",
                      2 * height),
            plot));
    const std::string why = run_gnuplot(folder_, "plot.gp");
    validate(why.empty(), ErrorKind::environment, "cannot draw {} ({})", file.string(), why);
    io::write_atomically(file, io::read_text(folder_ / "picture"));
  }

 private:
  fs::path folder_;
};

/// Text that a gnuplot string may hold.
std::string safe(const std::string& text) {
  std::string result;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)) ||
        std::string_view(" .,:_<>=()-").find(c) != std::string_view::npos)
      result += c;
  return result;
}

}  // namespace

void draw_bars(const std::vector<std::pair<std::string, double>>& bars, const std::string& title,
               const fs::path& file) {
  io::CsvWriter csv({"layer", "ms"});
  for (const auto& [label, ms] : bars) csv.row({safe(label), io::number(ms)});
  const int height = 110 + 19 * static_cast<int>(std::min<std::size_t>(bars.size(), 400));
  // Horizontal bars, the first layer on top.
  Workshop(file).draw(
      csv.text(),
      fmt::format(
          "set title '{}' noenhanced\nset xlabel 'latency (ms)'\nset yrange [{}:-0.7]\nset xrange [0:*]\n"
          "set ytics font ',10'\nset style fill solid 0.9\n"
          "plot 'data.csv' skip 1 using ($2/2):0:($2/2):(0.38):ytic(1) with boxxyerror lc rgb '#0072b2'",
          safe(title), static_cast<double>(bars.size()) - 0.3),
      height, file);
}

void draw_agreement(const std::vector<std::pair<double, double>>& points, const std::string& x_label,
                    const std::string& y_label, const fs::path& file) {
  io::CsvWriter csv({"x", "y"});
  double low = points.empty() ? 0 : points[0].first, high = low;
  for (const auto& [x, y] : points) {
    csv.row({io::number(x), io::number(y)});
    low = std::min({low, x, y});
    high = std::max({high, x, y});
  }
  const double margin = 0.05 * (high - low);
  Workshop(file).draw(
      csv.text(),
      fmt::format(
          "set size square\nset xlabel '{}'\nset ylabel '{}'\nset xrange [{}:{}]\nset yrange [{}:{}]\n"
          "plot 'data.csv' skip 1 using 1:2 with points pt 7 ps 0.6 lc rgb '#0072b2', x with lines dt 2 lc "
          "rgb '#606060'",
          safe(x_label), safe(y_label), low - margin, high + margin, low - margin, high + margin),
      560, file);
}

}  // namespace apq::report
