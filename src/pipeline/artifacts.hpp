// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apq/hw/cost_model.hpp"
#include "apq/io/archive.hpp"
#include "apq/nn/integer.hpp"
#include "apq/predictor/predictor.hpp"
#include "apq/search/evolution.hpp"

namespace apq::pipeline {

namespace fs = std::filesystem;

/// A network whose integer accuracy was measured.
struct Measured {
  space::Genome genome;
  int budget = 0;
  std::string source;    ///< sample, islands, random, uniform
  double predicted = 0;  ///< by the predictor of its time; 0 for samples
  double accuracy = 0;   ///< validation; NaN when the measurement failed
  bool failed() const { return std::isnan(accuracy); }
};

/// Error(data) naming origin and row (the first is 0) for what is none.
double to_number(const std::string& text, const std::string& origin, std::size_t row);

std::string pairs_fp32_csv(const space::SearchSpace& space, const std::vector<predictor::Pair>& pairs);
std::vector<predictor::Pair> read_pairs_fp32(const space::SearchSpace& space, const fs::path& path);
std::string pairs_int8_csv(const space::SearchSpace& space, const hw::CostModel& costs,
                           const std::vector<Measured>& pairs);
std::vector<Measured> read_pairs_int8(const space::SearchSpace& space, const fs::path& path);
/// A network measured with training images in two orders.
struct Twice {
  space::Genome genome;
  double first = 0, second = 0;
};
std::string pairs_noise_csv(const space::SearchSpace& space, const std::vector<Twice>& pairs);
std::vector<Twice> read_pairs_noise(const space::SearchSpace& space, const fs::path& path);
/// How well the first measurement predicts the second: no predictor can be expected to do better.
predictor::Quality noise_ceiling(const std::vector<Twice>& pairs);
/// Without those that failed.
std::vector<predictor::Pair> as_pairs(const std::vector<Measured>& measured);
/// ", 2 failed" for a journal, nothing when there are none.
std::string failures(std::int64_t failed);

/// pareto.csv: every network measured by the search; front = 1 when nothing of its source is better in
/// latency and accuracy. The accuracy of one that failed is "nan".
std::string pareto_csv(const space::SearchSpace& space, const hw::CostModel& costs,
                       const std::vector<search::Budget>& budgets, const std::vector<Measured>& measured);
std::vector<Measured> read_measured(const space::SearchSpace& space, const std::string& pareto_csv,
                                    const std::string& origin, const std::vector<search::Budget>& budgets);
/// As individuals with measured accuracy.
std::vector<search::Individual> individuals(const hw::CostModel& costs, const std::vector<Measured>& measured,
                                            const std::string& source);

io::Archive network_archive(const nn::IntegerNetwork& network);
nn::IntegerNetwork network_from(const io::Archive& archive);

/// predictor.json: {"fp32": quality, "int8": [quality, ...], "noise_ceiling": quality if measured}; a refit
/// appends to the list, with its version.
std::string predictor_json(const predictor::Quality& fp32, const std::vector<predictor::Quality>& int8,
                           const std::optional<predictor::Quality>& noise_ceiling);
/// As the predictor stage wrote it, before a search in the same folder.
std::string without_refits(const std::string& predictor_json);
std::string append_refit(const std::string& predictor_json, const predictor::Quality& int8);

}  // namespace apq::pipeline
