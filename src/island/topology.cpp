// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/island/topology.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "apq/core/error.hpp"
#include "island/topologies/registry.hpp"

namespace apq::island {
namespace {

struct Topology {
  const char* name;
  Targets* targets;
};
constexpr Topology kTopologies[] = {
#define APQ_ENTRY(name) {#name, name##_targets},
    APQ_TOPOLOGIES(APQ_ENTRY)
#undef APQ_ENTRY
};

}  // namespace

std::vector<int> neighbours(const std::string& topology, int island, int islands, std::uint64_t seed) {
  APQ_ASSERT(island >= 0 && island < islands);
  const auto* found = std::ranges::find(kTopologies, topology, &Topology::name);
  validate(found != std::end(kTopologies), ErrorKind::usage,
           "topology \"{}\" is unknown (there are {}) choose one of these", topology,
           fmt::join(topologies(), ", "));
  std::vector<int> targets = found->targets(island, islands, seed);
  std::ranges::sort(targets);
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  std::erase(targets, island);
  return targets;
}

std::vector<std::string> topologies() {
  std::vector<std::string> names;
  for (const Topology& topology : kTopologies) names.emplace_back(topology.name);
  return names;
}

}  // namespace apq::island
