// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <limits>

#include "island/policies/registry.hpp"

namespace apq::island {

// The best, and then again and again whoever of the better half differs most from all chosen so far.
Individuals select_diverse(Residents residents, int count, RandomStream&) {
  const std::size_t half = (residents.size() + 1) / 2;
  std::vector<int> nearest(half, std::numeric_limits<int>::max());
  Individuals chosen;
  while (static_cast<int>(chosen.size()) < count && chosen.size() < half) {
    const auto farthest = static_cast<std::size_t>(std::ranges::max_element(nearest) - nearest.begin());
    chosen.push_back(residents[farthest]);
    for (std::size_t i = 0; i < half; ++i)
      nearest[i] = std::min(nearest[i], distance(residents[i].genome, residents[farthest].genome));
  }
  return chosen;
}

}  // namespace apq::island
