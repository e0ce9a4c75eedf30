// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>

namespace apq::report {

/// Writes report.html with tables and plots (SVG and PNG by gnuplot when installed, from .gp scripts next to
/// the data) from the files of a run folder. Missing gnuplot: the report says so and keeps the tables.
void write(const std::filesystem::path& run_folder);

/// The table of budgets, costs and accuracies from summary.json as plain text.
std::string headline(const std::filesystem::path& run_folder);

}  // namespace apq::report
