// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "apq/io/files.hpp"
#include "apq/predictor/predictor.hpp"

namespace apq::report {

/// The labels by one recipe, of a study of labels.
struct RecipeLabels {
  std::string kind;  ///< fp32 or int8
  std::string name;
  std::int64_t steps = 0, images = 0, recalibration = 0;
  std::map<int, std::map<int, double>> accuracy;  ///< by seed, then by network; without those that failed
  std::vector<double> seconds;                    ///< of a CPU core, of every label
};
/// Recipes of labels.csv in the order in which they appear. Error(data) for what is no number.
std::vector<RecipeLabels> read_labels(const io::CsvTable& table, const std::string& origin);

/// The reference of a kind: most steps, then validation images, then recalibration images. Null without any.
const RecipeLabels* reference_of(const std::vector<RecipeLabels>& recipes, const std::string& kind);

/// What a recipe is worth.
struct RecipeFigures {
  int networks = 0;      ///< that the reference has too
  double seconds = 0;    ///< a label, median
  double mean = 0;       ///< accuracy
  double deviation = 0;  ///< standard deviation of the labels of the first seed
  /// Against the reference, mean over the seeds.
  double spearman = 0, kendall_tau = 0, pairwise_accuracy = 0;
  double spearman_low = 0, spearman_high = 0;  ///< 95 % of bootstrap samples of the networks
  /// The first seed's labels against every other seed's, mean; NaN when there is one seed.
  double repeat_spearman = 0, repeat_pairwise_accuracy = 0;
};
RecipeFigures figures_of(const RecipeLabels& recipe, const RecipeLabels& reference);

}  // namespace apq::report
