// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/report/labels.hpp"

#include <cmath>

#include "apq/core/error.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "report/gnuplot.hpp"
#include "report/label_recipes.hpp"

namespace apq::report {
namespace {

namespace fs = std::filesystem;

struct Line {
  const RecipeLabels* recipe = nullptr;
  bool reference = false;
  RecipeFigures figures;
};

std::vector<Line> compare(const std::vector<RecipeLabels>& recipes) {
  std::vector<Line> lines;
  for (const RecipeLabels& recipe : recipes)
    if (const RecipeLabels* reference = reference_of(recipes, recipe.kind))
      lines.push_back({&recipe, reference == &recipe, figures_of(recipe, *reference)});
  return lines;
}

std::string recipes_csv(const std::vector<Line>& lines) {
  io::CsvWriter csv({"kind", "recipe", "reference", "steps", "recalibration_images", "images", "networks",
                     "cpu_seconds_median", "accuracy_mean", "accuracy_deviation", "spearman", "spearman_low",
                     "spearman_high", "kendall_tau", "pairwise_accuracy", "repeat_spearman",
                     "repeat_pairwise_accuracy"});
  for (const auto& [recipe, reference, f] : lines)
    csv.row({recipe->kind, recipe->name, reference ? "1" : "0", std::to_string(recipe->steps),
             std::to_string(recipe->recalibration), std::to_string(recipe->images),
             std::to_string(f.networks), io::number(f.seconds), io::number(f.mean), io::number(f.deviation),
             io::number(f.spearman), io::number(f.spearman_low), io::number(f.spearman_high),
             io::number(f.kendall_tau), io::number(f.pairwise_accuracy), io::number(f.repeat_spearman),
             io::number(f.repeat_pairwise_accuracy)});
  return csv.text();
}

std::string percent(double share) { return std::isnan(share) ? "-" : fmt::format("{:.1f}", 100 * share); }
std::string decimal(double value) { return std::isnan(value) ? "-" : fmt::format("{:.3f}", value); }

std::string table(const std::vector<Line>& lines, const std::string& kind) {
  std::string text =
      "| recipe | networks | CPU seconds a label | accuracy (%) | deviation (points) | Spearman (95 %) | "
      "Kendall "
      "tau | pairs ranked alike (%) | again: Spearman | again: pairs alike (%) |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n";
  for (const auto& [recipe, reference, f] : lines) {
    if (recipe->kind != kind) continue;
    text += fmt::format("| {} | {} | {:.2f} | {:.2f} | {:.2f} |", recipe->name, f.networks, f.seconds,
                        100 * f.mean, 100 * f.deviation);
    text += reference ? std::string(" reference | | | | |\n")
                      : fmt::format(" {} ({} to {}) | {} | {} | {} | {} |\n", decimal(f.spearman),
                                    decimal(f.spearman_low), decimal(f.spearman_high), decimal(f.kendall_tau),
                                    percent(f.pairwise_accuracy), decimal(f.repeat_spearman),
                                    percent(f.repeat_pairwise_accuracy));
  }
  return text;
}

void draw(const std::vector<Line>& lines, const fs::path& folder) {
  io::CsvWriter csv({"kind", "recipe", "cpu_seconds", "spearman", "low", "high"});
  for (const auto& [recipe, reference, f] : lines)
    if (!reference && f.networks > 0)
      csv.row({recipe->kind, recipe->name, io::number(f.seconds), io::number(f.spearman),
               io::number(f.spearman_low), io::number(f.spearman_high)});
  csv.save(folder / "labels.csv");
  const std::string points =
      "'labels.csv' using (strcol(1) eq '{0}' ? $3 : NaN):4:5:6 with yerrorbars pt 7 "
      "lc rgb '{1}' title '{0}'";
  io::write_atomically(
      folder / "labels.gp",
      fmt::format(
          "# Makes labels.svg and labels.png from labels.csv:  gnuplot labels.gp\n"
          "set datafile separator comma\nset logscale x\n"
          "set xlabel 'CPU seconds a label (median)'\n"
          "set ylabel 'Spearman against the reference of the kind (bars: 95 %)'\n"
          "set grid lc rgb '#e4e4e4' lt 1\nset key bottom right\n"
          "set terminal svg size 760,460 background rgb 'white'\nset output 'labels.svg'\n"
          "plot {}, \\\n     {}, \\\n"
          "     'labels.csv' using (strcol(1) eq 'int8' ? $3 : NaN):4:2 with labels offset 0,1 notitle\n"
          "set terminal pngcairo size 1520,920 fontscale 1.7 linewidth 2 pointscale 2\n"
          "set output 'labels.png'\nreplot\nset output\n",
          fmt::format(fmt::runtime(points), "int8", "#0072b2"),
          fmt::format(fmt::runtime(points), "fp32", "#d55e00")));
  if (const std::string problem = run_gnuplot(folder, "labels.gp"); !problem.empty())
    log::warn("no plot labels: {}", problem);
}

}  // namespace

std::string write_labels(const fs::path& folder, const std::string& setting) {
  const fs::path file = folder / "labels.csv";
  validate(fs::exists(file), ErrorKind::data, "{} has no study of labels (labels.csv) run 'apq study labels'",
           folder.string());
  const auto recipes = read_labels(io::parse_csv(io::read_text(file), file.string()), file.string());
  const std::vector<Line> lines = compare(recipes);
  std::error_code error;
  fs::create_directories(folder / "plots", error);
  validate(!error, ErrorKind::io, "cannot create {} ({}) choose another --out", (folder / "plots").string(),
           error.message());
  io::write_atomically(folder / "label_recipes.csv", recipes_csv(lines));
  draw(lines, folder / "plots");
  std::string tables, references;
  for (const std::string kind : {"int8", "fp32"}) {
    const RecipeLabels* reference = reference_of(recipes, kind);
    if (!reference) continue;
    tables += fmt::format("## {} labels against {}\n\n{}\n", kind, reference->name, table(lines, kind));
    references += fmt::format("{}{} labels against {} of {} networks", references.empty() ? "" : ", ", kind,
                              reference->name, reference->accuracy.at(0).size());
  }
  io::write_atomically(
      folder / "labels.md",
      fmt::format("# Study of labels\n\n{}. Written by apq {}; configuration and machine: manifest.json.\n\n"
                  "Spearman, Kendall tau and pairs ranked alike: against the reference, means over orders of "
                  "the training images; 95 %: bootstrap over networks. Again: the labels with one order of "
                  "the images against those with another.\n\n{}![Spearman against "
                  "CPU seconds](plots/labels.png)\n",
                  setting, version(), tables));
  return references;
}

}  // namespace apq::report
