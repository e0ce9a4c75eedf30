// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace apq::island {

/// Islands that island `i` of `n` sends to, ascending, by topology name: ring, bidirectional_ring, torus,
/// hypercube, fully_connected, random_regular (drawn from the seed), none. Throws Error(usage) listing the
/// names.
std::vector<int> neighbours(const std::string& topology, int island, int islands, std::uint64_t seed = 0);
std::vector<std::string> topologies();

/// The rank that hosts an island: there and back again over the ranks (0 1 2 2 1 0 0 1 ...). Islands that
/// spread differ in how tight their limits are and thus in how much work their children are: so every rank
/// has some of each.
inline int host_of(int island, int ranks) {
  const int place = island % ranks;
  return island / ranks % 2 == 0 ? place : ranks - 1 - place;
}

}  // namespace apq::island
