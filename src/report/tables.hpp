// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>
#include <vector>

#include "report/run_data.hpp"

namespace apq::report {

/// Texts by row; the first column is left-aligned, the others hold numbers.
struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};

Table network_table(const RunData& run);
Table stage_table(const RunData& run);
Table quality_table(const RunData& run);
/// Islands beside random search and uniform bits.
Table comparison_table(const RunData& run);

/// Four significant digits, whole numbers from 1000 on; "-" for nothing.
std::string short_number(const Figure& value);
/// A fraction as a percentage with two decimals.
std::string short_percent(const Figure& share);

}  // namespace apq::report
