// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/island/traffic.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <vector>

#include "apq/island/topology.hpp"
#include "apq/search/evaluator.hpp"

namespace apq::island {

Traffic model_traffic(const std::string& topology, int islands, int ranks, std::int64_t bytes_per_island,
                      std::uint64_t seed) {
  std::set<std::tuple<int, int, int>> parcels;  // from rank, to rank, island whose migrants it carries
  std::set<std::pair<int, int>> messages;
  for (int island = 0; island < islands; ++island)
    for (const int target : neighbours(topology, island, islands, seed)) {
      const int from = host_of(island, ranks), to = host_of(target, ranks);
      if (from == to) continue;
      parcels.emplace(from, to, island);
      messages.emplace(from, to);
    }
  std::vector<std::int64_t> messages_of(static_cast<std::size_t>(ranks)), parcels_of(messages_of);
  for (const auto& [from, to] : messages) ++messages_of[static_cast<std::size_t>(from)];
  for (const auto& [from, to, island] : parcels) ++parcels_of[static_cast<std::size_t>(from)];
  return {static_cast<std::int64_t>(messages.size()),
          static_cast<std::int64_t>(parcels.size()) * bytes_per_island, std::ranges::max(messages_of),
          std::ranges::max(parcels_of) * bytes_per_island};
}

std::int64_t bytes_per_island(const space::SearchSpace& space, std::int64_t budgets, std::int64_t migrants) {
  constexpr std::int64_t kCount = 4, kNumber = 8;
  const auto genome = static_cast<std::int64_t>(space.options().stages.size()) +
                      static_cast<std::int64_t>(space.blocks().size()) * (2 + space::kBitGenes);
  return budgets * (kCount + migrants * (genome + kNumber * (1 + search::kCosts)));
}

}  // namespace apq::island
