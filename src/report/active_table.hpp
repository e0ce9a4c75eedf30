// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apq/io/files.hpp"

namespace apq::report {

/// A figure of one arm by seed.
using BySeed = std::map<std::string, double>;

/// The arms of active_learning.csv in the order in which they appear; their figures by column.
struct ActiveArm {
  std::string name;
  std::map<std::string, BySeed> figures;
};
/// Error(data) for what is no number.
std::vector<ActiveArm> read_arms(const io::CsvTable& table, const std::string& origin);

/// a - b of the seeds that both have.
BySeed differences(const BySeed& a, const BySeed& b);

/// "+0.12 points (median over 5 seeds, +0.03 to +0.20; 5 of 5 seeds above 0)": of fractions.
std::string differences_text(const BySeed& differences);

std::string active_headline(const std::vector<ActiveArm>& arms);

}  // namespace apq::report
