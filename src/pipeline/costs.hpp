// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apq/config/config.hpp"
#include "apq/hw/cost_model.hpp"
#include "apq/search/evolution.hpp"
#include "apq/space/search_space.hpp"

namespace apq::pipeline {

namespace fs = std::filesystem;

std::shared_ptr<const hw::Device> make_device(const config::Config& config);
/// Error(data) lists everything that is wrong with a table and every layer it lacks. Costs saved in `folder`
/// are taken when they are for this space and device.
hw::CostModel make_costs(const config::Config& config, const space::SearchSpace& space,
                         const fs::path& folder = {});
/// Saves the costs for the next make_costs.
void save_costs(const config::Config& config, const space::SearchSpace& space, const hw::CostModel& costs,
                const fs::path& folder);
inline constexpr std::size_t kMostTableBytes = std::size_t{1} << 28;
/// Error(data) with all problems, one a line; nothing when there are none.
void raise_table_problems(const fs::path& file, const std::vector<std::string>& problems);

/// Every budget of the configuration. Throws Error(usage) when no network meets one.
std::vector<search::Budget> make_budgets(const config::Config& config, const hw::CostModel& costs);
/// Evolution and search algorithm as configured.
search::EvolutionOptions make_evolution(const config::SearchOptions& options);

}  // namespace apq::pipeline
