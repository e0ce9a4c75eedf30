// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "island/policies/registry.hpp"

namespace apq::island {

// All compete; the worst find no place.
Individuals replace_worst(const Individuals& residents, std::span<const search::Individual> immigrants, int,
                          RandomStream&) {
  Individuals all = residents;
  all.insert(all.end(), immigrants.begin(), immigrants.end());
  return all;
}

}  // namespace apq::island
