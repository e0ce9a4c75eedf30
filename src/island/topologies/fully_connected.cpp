// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <numeric>

#include "island/topologies/registry.hpp"

namespace apq::island {

std::vector<int> fully_connected_targets(int, int n, std::uint64_t) {
  std::vector<int> result(static_cast<std::size_t>(n));
  std::iota(result.begin(), result.end(), 0);
  return result;
}

}  // namespace apq::island
