// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>

namespace apq::report {

/// From active_learning.csv and active_front.csv in `folder`: plots/active (measured fronts) and active.md,
/// with `setting` (what was compared). Returns the headline: by how much the hypervolume of active learning
/// is larger than that of as many random pairs, seed by seed.
std::string write_active(const std::filesystem::path& folder, const std::string& setting);

}  // namespace apq::report
