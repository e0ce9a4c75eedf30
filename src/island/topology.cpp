// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/island/topology.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "apq/core/error.hpp"

namespace apq::island {
namespace {

using Islands = std::vector<int>;

Islands ring(int i, int n) { return {(i + 1) % n}; }

Islands bidirectional_ring(int i, int n) { return {(i + n - 1) % n, (i + 1) % n}; }

// Rows x columns as nearly square as n divides.
Islands torus(int i, int n) {
  int rows = 1;
  for (int r = 1; r * r <= n; ++r)
    if (n % r == 0) rows = r;
  const int columns = n / rows, row = i / columns, column = i % columns;
  const auto at = [&](int r, int c) { return (r + rows) % rows * columns + (c + columns) % columns; };
  return {at(row - 1, column), at(row + 1, column), at(row, column - 1), at(row, column + 1)};
}

// Neighbours differ in one bit. Those that do not exist are left out; clearing the highest bit always leads
// to one that does, so the islands stay connected.
Islands hypercube(int i, int n) {
  Islands result;
  for (int bit = 1; bit < n; bit *= 2)
    if ((i ^ bit) < n) result.push_back(i ^ bit);
  return result;
}

Islands fully_connected(int, int n) {
  Islands result(static_cast<std::size_t>(n));
  std::iota(result.begin(), result.end(), 0);
  return result;
}

Islands none(int, int) { return {}; }

struct Topology {
  const char* name;
  Islands (*targets)(int island, int islands);
};
constexpr Topology kTopologies[] = {
    {"ring", ring},           {"bidirectional_ring", bidirectional_ring}, {"torus", torus},
    {"hypercube", hypercube}, {"fully_connected", fully_connected},       {"none", none},
};

}  // namespace

std::vector<int> neighbours(const std::string& topology, int island, int islands) {
  APQ_ASSERT(island >= 0 && island < islands);
  const auto* found = std::ranges::find(kTopologies, topology, &Topology::name);
  validate(found != std::end(kTopologies), ErrorKind::usage,
           "topology \"{}\" is unknown (there are {}) choose one of these", topology,
           fmt::join(topologies(), ", "));
  Islands targets = found->targets(island, islands);
  std::ranges::sort(targets);
  const auto repeats = std::ranges::unique(targets);
  targets.erase(repeats.begin(), repeats.end());
  std::erase(targets, island);
  return targets;
}

std::vector<std::string> topologies() {
  std::vector<std::string> names;
  for (const Topology& topology : kTopologies) names.emplace_back(topology.name);
  return names;
}

}  // namespace apq::island
