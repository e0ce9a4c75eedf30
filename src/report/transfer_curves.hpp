// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apq/io/files.hpp"

namespace apq::report {

/// Pairwise accuracy of one kind of predictor: by number of pairs, then by seed.
using Curve = std::map<int, std::map<std::string, double>>;

struct NamedCurve {
  std::string name;
  Curve curve;
};
/// From the columns pairs, init, seed and pairwise_accuracy, in the order in which the names appear.
/// Error(data) for what is no number.
std::vector<NamedCurve> read_curves(const io::CsvTable& table, const std::string& origin);

double median(const std::map<std::string, double>& by_seed);

/// "62": where the line through the medians, over the logarithm of the pairs, first reaches this accuracy;
/// "at most 50" when the fewest pairs do, "not reached" when none do.
std::string pairs_needed(const Curve& curve, double accuracy);

std::string transfer_headline(const Curve& transfer, const Curve& scratch);

}  // namespace apq::report
