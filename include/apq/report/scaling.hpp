// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace apq::report {

/// Gathers the runs of jobs/scaling.sh below the folders `from` (those with a point.json) and the networks
/// they measured (network*.json) into `out`: scaling.csv (a row per point and phase: measured median and
/// spread, speed-up, efficiency, the model's prediction), prediction.csv (8 to 4,096 ranks), plots, and
/// scaling.md with all of it for reading and the provenance. Throws Error(data) when there is no point.
void write_scaling(const std::vector<std::filesystem::path>& from, const std::filesystem::path& out);

}  // namespace apq::report
