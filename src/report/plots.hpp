// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "report/run_data.hpp"

namespace apq::report {

/// One plot: <name>.csv with its data and <name>.gp, which makes <name>.svg and <name>.png.
struct Plot {
  std::string name;
  std::string title;
  std::string caption;
  std::string csv;
  std::string script;
};

/// Accuracy against latency, search history, predicted against measured accuracy; those with data.
std::vector<Plot> make_plots(const RunData& run);

}  // namespace apq::report
