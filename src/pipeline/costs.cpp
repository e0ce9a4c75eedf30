// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/costs.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "apq/core/error.hpp"
#include "apq/core/hash.hpp"
#include "apq/core/log.hpp"
#include "apq/io/archive.hpp"
#include "apq/io/files.hpp"
#include "pipeline/table_file.hpp"

namespace apq::pipeline {

namespace {

constexpr const char* kCostsFile = "costs.cache";

std::shared_ptr<const hw::TableDevice> table_device(const config::HardwareOptions& options,
                                                    std::vector<std::string>& problems) {
  const std::string text = io::read_text(options.table, kMostTableBytes, ErrorKind::data);
  const hw::LayerTable table = parse_table(text, options.table.string(), problems);
  return std::make_shared<hw::TableDevice>(table, options.table.string(), hex(hash_text(text)),
                                           options.precision == "fp32");
}

hw::Counting counting_of(const config::Config& config) {
  return config.hardware.counting == "apq" ? hw::Counting::apq : hw::Counting::everything;
}

std::string costs_key(const hw::Device& device, const space::SearchSpace& space,
                      const std::string& counting) {
  return hex(hash_text(space.describe() + "\n" + device.describe() + "\n" + counting));
}

/// Costs of an earlier run in the folder, when they are for the same space and device.
std::vector<double> saved_costs(const fs::path& folder, const std::string& key) {
  std::error_code none;
  if (folder.empty() || !fs::exists(folder / kCostsFile, none)) return {};
  try {
    const io::Archive archive = io::Archive::load(folder / kCostsFile, "costs");
    if (archive.text("key") == key) return archive.doubles("layers");
  } catch (const Error& error) {
    log::warn("{} (the costs are computed again)", error.what());
  }
  return {};
}

/// Throws Error(usage) when no network meets it.
search::Budget make_budget(const config::Config& config, const hw::CostModel& costs,
                           const config::BudgetOptions& b) {
  const hw::Metric metric = hw::metric_from_name(b.metric);
  search::Budget budget{static_cast<int>(metric), b.limit, fmt::format("{}<={}", b.metric, b.limit)};
  std::vector<hw::Bound> bounds{{metric, b.limit}};
  for (const auto& also : b.also) {
    bounds.push_back({hw::metric_from_name(also.metric), also.limit});
    budget.also.push_back({static_cast<int>(bounds.back().metric), also.limit});
    budget.name += fmt::format(" and {}<={}", also.metric, also.limit);
  }
  for (const hw::Bound& bound : bounds) {
    const double least = costs.smallest(bound.metric).value;
    validate(!std::isnan(least), ErrorKind::usage,
             "budget {} <= {} cannot be judged ({} has no such costs) choose another metric or device",
             hw::metric_name(bound.metric), bound.limit, costs.device().name());
    validate(least <= bound.limit, ErrorKind::usage,
             "budget {} <= {} cannot be met (the smallest network of this space needs {:.6g}) raise the "
             "limit or widen the space",
             hw::metric_name(bound.metric), bound.limit, least);
  }
  const auto reachable = costs.smallest(metric, bounds);
  validate(reachable.has_value(), ErrorKind::usage,
           "budget {} cannot be met (each limit can, but no network was found that meets all) raise one",
           budget.name);
  budget.floor = reachable->value;
  for (const auto& other : config.budgets)
    if (other.metric == b.metric && other.limit < b.limit) budget.floor = std::max(budget.floor, other.limit);
  budget.smallest = reachable->genome;
  return budget;
}

}  // namespace

void raise_table_problems(const fs::path& file, const std::vector<std::string>& problems) {
  validate(problems.empty(), ErrorKind::data,
           "{} cannot be used ({} problems) mend it or build it again:\n  {}", file.string(), problems.size(),
           fmt::join(problems, "\n  "));
}

std::shared_ptr<const hw::Device> make_device(const config::Config& config) {
  if (config.hardware.device == "bitfusion")
    return std::make_shared<hw::BitFusion>(config.hardware.bitfusion);
  if (config.hardware.device != "lut") return hw::device_from_name(config.hardware.device);
  std::vector<std::string> problems;
  const auto device = table_device(config.hardware, problems);
  raise_table_problems(config.hardware.table, problems);
  return device;
}

hw::CostModel make_costs(const config::Config& config, const space::SearchSpace& space,
                         const fs::path& folder) {
  const hw::Counting counting = counting_of(config);
  if (config.hardware.device == "lut") {  // what the table has wrong and what it lacks in one list
    std::vector<std::string> problems;
    const auto device = table_device(config.hardware, problems);
    for (const space::LayerSpec& layer : hw::distinct_layers(space, counting))
      if (!device->knows(layer)) problems.push_back("missing: " + layer.shape());
    raise_table_problems(config.hardware.table, problems);
    return {space, device, counting};
  }
  const auto device = make_device(config);
  return {space, device, counting, saved_costs(folder, costs_key(*device, space, config.hardware.counting))};
}

void save_costs(const config::Config& config, const space::SearchSpace& space, const hw::CostModel& costs,
                const fs::path& folder) {
  const std::string key = costs_key(costs.device(), space, config.hardware.counting);
  if (saved_costs(folder, key).size() == costs.layer_costs().size()) return;
  io::Archive archive;
  archive.put("key", key);
  archive.put("layers", std::span<const double>(costs.layer_costs()));
  archive.save(folder / kCostsFile, "costs");
}

std::vector<search::Budget> make_budgets(const config::Config& config, const hw::CostModel& costs) {
  std::vector<search::Budget> budgets;
  for (const auto& b : config.budgets) budgets.push_back(make_budget(config, costs, b));
  return budgets;
}

search::EvolutionOptions make_evolution(const config::SearchOptions& options) {
  search::EvolutionOptions evolution = options.evolution;
  std::istringstream names(options.objectives);
  for (std::string name; names >> name;)
    if (name != "budget") evolution.objectives.push_back(static_cast<int>(hw::metric_from_name(name)));
  return evolution;
}

}  // namespace apq::pipeline
