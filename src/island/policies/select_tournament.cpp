// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <numeric>

#include "island/policies/registry.hpp"

namespace apq::island {

// The better of two drawn at random, who then is out of the draw.
Individuals select_tournament(Residents residents, int count, RandomStream& random) {
  std::vector<std::size_t> left(residents.size());
  std::iota(left.begin(), left.end(), std::size_t{0});
  Individuals chosen;
  while (static_cast<int>(chosen.size()) < count && !left.empty()) {
    const auto n = static_cast<std::uint32_t>(left.size());
    const std::uint32_t a = random.below(n), b = random.below(n);
    const auto winner = left.begin() + std::min(a, b);  // still best first
    chosen.push_back(residents[*winner]);
    left.erase(winner);
  }
  return chosen;
}

}  // namespace apq::island
