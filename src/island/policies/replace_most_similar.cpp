// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>

#include "island/policies/registry.hpp"

namespace apq::island {

// Each takes the place of the resident it resembles most, if it is the better of the two.
Individuals replace_most_similar(const Individuals& residents, std::span<const search::Individual> immigrants,
                                 int metric, RandomStream&) {
  Individuals all = residents;
  for (const search::Individual& immigrant : immigrants) {
    const auto similar = std::ranges::min_element(
        all, {}, [&](const search::Individual& r) { return distance(r.genome, immigrant.genome); });
    if (similar != all.end() && search::better(immigrant, *similar, metric)) *similar = immigrant;
  }
  return all;
}

}  // namespace apq::island
