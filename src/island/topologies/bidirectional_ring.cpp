// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "island/topologies/registry.hpp"

namespace apq::island {

std::vector<int> bidirectional_ring_targets(int i, int n, std::uint64_t) {
  return {(i + n - 1) % n, (i + 1) % n};
}

}  // namespace apq::island
