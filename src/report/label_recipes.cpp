// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "report/label_recipes.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "apq/core/error.hpp"
#include "apq/core/random.hpp"

namespace apq::report {
namespace {

constexpr int kSamples = 1000;  ///< of the bootstrap
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct Labels {
  std::vector<double> mine, theirs;
};

/// Those of networks that have both.
Labels common(const std::map<int, double>& mine, const std::map<int, double>& theirs) {
  Labels labels;
  for (const auto& [network, accuracy] : mine)
    if (const auto found = theirs.find(network); found != theirs.end()) {
      labels.mine.push_back(accuracy);
      labels.theirs.push_back(found->second);
    }
  return labels;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation(const std::vector<double>& values) {
  const double centre = mean(values);
  double squares = 0;
  for (const double v : values) squares += (v - centre) * (v - centre);
  return values.size() < 2 ? 0 : std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

/// Means over seeds of a figure of the networks numbered `which`.
double mean_spearman(const std::vector<Labels>& by_seed, const std::vector<std::uint32_t>& which) {
  double sum = 0;
  for (const Labels& labels : by_seed) {
    Labels drawn;
    for (const std::uint32_t i : which) {
      drawn.mine.push_back(labels.mine[i]);
      drawn.theirs.push_back(labels.theirs[i]);
    }
    sum += predictor::quality(drawn.mine, drawn.theirs).spearman;
  }
  return sum / static_cast<double>(by_seed.size());
}

/// 95 % of Spearman over networks drawn with replacement, all seeds of a network together.
std::pair<double, double> interval(const std::vector<Labels>& by_seed) {
  std::size_t n = std::numeric_limits<std::size_t>::max();
  for (const Labels& labels : by_seed) n = std::min(n, labels.mine.size());
  std::vector<double> samples;
  for (std::uint64_t s = 0; s < kSamples; ++s) {
    RandomStream random(0, Purpose::label_resampling, s);
    std::vector<std::uint32_t> which(n);
    for (auto& i : which) i = random.below(static_cast<std::uint32_t>(n));
    samples.push_back(mean_spearman(by_seed, which));
  }
  std::ranges::sort(samples);
  return {samples[kSamples / 40], samples[kSamples - 1 - kSamples / 40]};
}

}  // namespace

std::vector<RecipeLabels> read_labels(const io::CsvTable& table, const std::string& origin) {
  const auto kind = table.column("kind"), name = table.column("recipe");
  const auto number = [&](std::size_t row, const char* column, auto value) {
    const std::string& text = table.rows[row][table.column(column)];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    validate(error == std::errc{} && end == text.data() + text.size(), ErrorKind::data,
             "{} line {}: {} is \"{}\" (no number) remove the line and run the study again", origin, row + 2,
             column, text);
    return value;
  };
  std::vector<RecipeLabels> recipes;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const auto& row = table.rows[r];
    auto recipe = std::ranges::find_if(recipes, [&](const RecipeLabels& known) {
      return known.kind == row[kind] && known.name == row[name];
    });
    if (recipe == recipes.end())
      recipe = recipes.insert(recipes.end(), {row[kind],
                                              row[name],
                                              number(r, "steps", std::int64_t{}),
                                              number(r, "images", std::int64_t{}),
                                              number(r, "recalibration_images", std::int64_t{}),
                                              {},
                                              {}});
    recipe->seconds.push_back(number(r, "cpu_seconds", 0.0));
    const double accuracy = number(r, "accuracy", 0.0);
    if (!std::isnan(accuracy)) recipe->accuracy[number(r, "seed", 0)][number(r, "network", 0)] = accuracy;
  }
  return recipes;
}

const RecipeLabels* reference_of(const std::vector<RecipeLabels>& recipes, const std::string& kind) {
  const RecipeLabels* best = nullptr;
  const auto effort = [](const RecipeLabels& r) { return std::tuple(r.steps, r.images, r.recalibration); };
  for (const RecipeLabels& recipe : recipes)
    if (recipe.kind == kind && recipe.accuracy.contains(0) && (!best || effort(recipe) > effort(*best)))
      best = &recipe;
  return best;
}

RecipeFigures figures_of(const RecipeLabels& recipe, const RecipeLabels& reference) {
  RecipeFigures f{.seconds = median(recipe.seconds),
                  .spearman_low = kNone,
                  .spearman_high = kNone,
                  .repeat_spearman = kNone,
                  .repeat_pairwise_accuracy = kNone};
  std::vector<Labels> by_seed;
  for (const auto& [seed, labels] : recipe.accuracy)
    by_seed.push_back(common(labels, reference.accuracy.at(0)));
  std::erase_if(by_seed, [](const Labels& labels) { return labels.mine.size() < 2; });
  if (by_seed.empty()) return f;
  f.networks = static_cast<int>(by_seed.front().mine.size());
  f.mean = mean(by_seed.front().mine);
  f.deviation = deviation(by_seed.front().mine);
  const auto seeds = static_cast<double>(by_seed.size());
  for (const Labels& labels : by_seed) {
    const auto quality = predictor::quality(labels.mine, labels.theirs);
    f.spearman += quality.spearman / seeds;
    f.kendall_tau += quality.kendall_tau / seeds;
    f.pairwise_accuracy += quality.pairwise_accuracy / seeds;
  }
  std::tie(f.spearman_low, f.spearman_high) = interval(by_seed);
  if (recipe.accuracy.size() < 2 || !recipe.accuracy.contains(0)) return f;
  f.repeat_spearman = f.repeat_pairwise_accuracy = 0;
  const auto others = static_cast<double>(recipe.accuracy.size() - 1);
  for (const auto& [seed, labels] : recipe.accuracy) {
    if (seed == 0) continue;
    const auto both = common(recipe.accuracy.at(0), labels);
    const auto quality = predictor::quality(both.mine, both.theirs);
    f.repeat_spearman += quality.spearman / others;
    f.repeat_pairwise_accuracy += quality.pairwise_accuracy / others;
  }
  return f;
}

}  // namespace apq::report
