// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace apq::report {

/// Writes report.html with tables and plots (SVG and PNG by gnuplot when installed, from .gp scripts next to
/// the data) from the files of a run folder. Missing gnuplot: the report says so and keeps the tables.
void write(const std::filesystem::path& run_folder);

/// The table of budgets, costs and accuracies from summary.json as plain text.
std::string headline(const std::filesystem::path& run_folder);

/// Bars of (label, milliseconds) by gnuplot into `file`, PNG or SVG by its name. Throws Error(usage) for
/// another ending and Error(environment) when gnuplot cannot draw.
void draw_bars(const std::vector<std::pair<std::string, double>>& bars, const std::string& title,
               const std::filesystem::path& file);
/// Points (x, y) in milliseconds with the line where both are equal, the same way.
void draw_agreement(const std::vector<std::pair<double, double>>& points, const std::string& x_label,
                    const std::string& y_label, const std::filesystem::path& file);

}  // namespace apq::report
