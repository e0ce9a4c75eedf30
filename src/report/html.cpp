// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "report/html.hpp"

#include <fmt/ranges.h>

#include "apq/core/process.hpp"
#include "report/tables.hpp"

namespace apq::report {
namespace {

constexpr const char* kStyle = R"(
body { font: 16px/1.5 Helvetica, Arial, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid #ddd; padding-bottom: .2rem; }
p.note, figcaption { color: #555; font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #e4e4e4; text-align: right; white-space: nowrap; }
th { color: #555; font-weight: normal; border-bottom-color: #999; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.text { text-align: left; white-space: normal; overflow-wrap: anywhere; }
figure { margin: 1.5rem 0; }
svg { width: 100%; height: auto; }
code, pre { font-size: .85rem; }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; }
)";

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  return result;
}

std::string row(const std::vector<std::string>& cells, const char* tag) {
  std::string text = "<tr>";
  for (const std::string& cell : cells) text += fmt::format("<{0}>{1}</{0}>", tag, escaped(cell));
  return text + "</tr>\n";
}

std::string table(const Table& content) {
  if (content.rows.empty()) return "<p class=\"note\">Nothing yet.</p>\n";
  std::string text = "<div class=\"scroll\"><table>\n" + row(content.header, "th");
  for (const auto& cells : content.rows) text += row(cells, "td");
  return text + "</table></div>\n";
}

/// Names with longer texts.
std::string text_table(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::string text = "<table>\n";
  for (const auto& [name, value] : rows)
    text += fmt::format("<tr><td>{}</td><td class=\"text\">{}</td></tr>\n", escaped(name), escaped(value));
  return text + "</table>\n";
}

std::string section(const std::string& title, const std::string& content) {
  return fmt::format("<h2>{}</h2>\n{}", title, content);
}

std::string note(const std::string& text) { return fmt::format("<p class=\"note\">{}</p>\n", escaped(text)); }

/// The <svg> element without what stands before it in a file.
std::string element(const std::string& svg) {
  const std::size_t start = svg.find("<svg");
  return start == std::string::npos ? "" : svg.substr(start);
}

std::string networks(const RunData& run) {
  std::string text = table(network_table(run));
  if (run.networks.empty()) return text;
  std::vector<std::pair<std::string, std::string>> genomes;
  for (const Network& n : run.networks) genomes.emplace_back(n.budget, n.genome);
  return text +
         note(
             "Accuracies are of the integer networks: predicted, on validation images after fine-tuning, and "
             "on the "
             "test set, which is read once.") +
         "<details><summary>Genomes</summary>\n" + text_table(genomes) +
         note(
             "Blocks are joined by +, stages by |. k: kernel, w: middle channels, p and d: bits of weights "
             "and "
             "activations of the pointwise and the depthwise convolutions.") +
         "</details>\n";
}

std::string figures(const std::vector<Picture>& pictures, const std::string& problem) {
  std::string text =
      problem.empty() ? "" : note("No plots: " + problem + ". Data and scripts are in plots/.");
  for (const Picture& picture : pictures)
    if (!picture.svg.empty())
      text += fmt::format("<figure>\n<h3>{}</h3>\n{}\n<figcaption>{}</figcaption>\n</figure>\n",
                          escaped(picture.plot.title), element(picture.svg), escaped(picture.plot.caption));
  return text.empty() ? note("Nothing to draw yet.") : text;
}

std::string comparison(const RunData& run) {
  std::string text = table(comparison_table(run));
  for (const auto& [source, networks] :
       {std::pair{"random", "random networks"}, {"uniform", "networks of uniform bits"}})
    if (const Figure share = run.search_figure(fmt::format("{}_covered_share", source)))
      text +=
          note(fmt::format("For {} % of the {} the islands have one that is no slower and no less accurate.",
                           short_percent(share), networks));
  const Figure accuracy = run.search_figure("reference_accuracy"),
               latency = run.search_figure("reference_latency_ms");
  if (accuracy && latency)
    text += note(fmt::format(
        "The hypervolume is the area between a front and the point of {} % accuracy and {} ms, in "
        "units of accuracy (as a fraction) times milliseconds.",
        short_percent(accuracy), short_number(latency)));
  return text;
}

std::string provenance(const RunData& run) {
  std::string text = text_table(run.provenance);
  if (!run.config_text.empty())
    text += "<details><summary>Configuration</summary>\n<pre>" + escaped(run.config_text) +
            "</pre>\n</details>\n";
  return text;
}

}  // namespace

std::string html(const RunData& run, const std::vector<Picture>& pictures, const std::string& problem) {
  const std::string name = escaped(run.name);
  std::string text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>{0} - "
      "apq</title>\n<style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n",
      name, kStyle);
  text += note(fmt::format("Report by apq {}", version()));
  if (!run.missing.empty())
    text += note(fmt::format("This run is not complete; it has no {}.", fmt::join(run.missing, ", ")));
  text += section("Networks", networks(run));
  text += section("Plots", figures(pictures, problem));
  text += section("Islands and what they are compared with", comparison(run));
  text += section("Predictors, on pairs held out from their training", table(quality_table(run)));
  text += section("Stages", table(stage_table(run)));
  text += section("Provenance", provenance(run));
  return text + "</body>\n</html>\n";
}

}  // namespace apq::report
