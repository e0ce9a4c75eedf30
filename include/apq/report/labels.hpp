// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>

namespace apq::report {

/// From labels.csv in `folder`, finished or not: label_recipes.csv (how every recipe ranks the networks
/// beside the reference of its kind), labels.md with `setting`, and plots/labels (Spearman against seconds a
/// label). The reference is the recipe of most steps, then validation images, then recalibration images.
/// Returns what was compared with what.
std::string write_labels(const std::filesystem::path& folder, const std::string& setting);

}  // namespace apq::report
