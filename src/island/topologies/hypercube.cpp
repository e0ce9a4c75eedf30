// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "island/topologies/registry.hpp"

namespace apq::island {

// Neighbours differ in one bit. Those that do not exist are left out; clearing the highest bit always leads
// to one that does, so the islands stay connected.
std::vector<int> hypercube_targets(int i, int n, std::uint64_t) {
  std::vector<int> result;
  for (int bit = 1; bit < n; bit *= 2)
    if ((i ^ bit) < n) result.push_back(i ^ bit);
  return result;
}

}  // namespace apq::island
