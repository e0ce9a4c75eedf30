// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>

#include "apq/core/random.hpp"
#include "island/topologies/registry.hpp"

namespace apq::island {

// The union of random round trips through all islands: every island sends to and hears from as many others
// (fewer where two trips share a step), the islands are connected, and the way between any two is short.
std::vector<int> random_regular_targets(int i, int n, std::uint64_t seed) {
  constexpr std::uint64_t kTrips = 3;
  std::vector<int> result;
  for (std::uint64_t trip = 0; trip < kTrips; ++trip) {
    const auto order = RandomStream(seed, Purpose::topology, trip).permutation(static_cast<std::size_t>(n));
    const auto here = std::ranges::find(order, static_cast<std::uint32_t>(i));
    const auto next = here + 1 == order.end() ? order.begin() : here + 1;
    result.push_back(static_cast<int>(*next));
  }
  return result;
}

}  // namespace apq::island
