// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>

#include "island/policies/registry.hpp"

namespace apq::island {

Individuals select_best(Residents residents, int count, RandomStream&) {
  const auto n = std::min(residents.size(), static_cast<std::size_t>(std::max(count, 0)));
  return {residents.begin(), residents.begin() + static_cast<std::ptrdiff_t>(n)};
}

}  // namespace apq::island
