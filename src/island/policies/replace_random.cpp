// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "island/policies/registry.hpp"

namespace apq::island {

// Each takes the place of a resident drawn at random, whoever is better; the best resident stays.
Individuals replace_random(const Individuals& residents, std::span<const search::Individual> immigrants, int,
                           RandomStream& random) {
  Individuals all = residents;
  for (std::size_t i = 0; i < immigrants.size() && all.size() > 1; ++i)
    all.erase(all.begin() + 1 + random.below(static_cast<std::uint32_t>(all.size() - 1)));
  all.insert(all.end(), immigrants.begin(), immigrants.end());
  return all;
}

}  // namespace apq::island
