// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace apq::island {

/// Islands that island `i` of `n` sends to, ascending, by topology name: ring, bidirectional_ring, torus,
/// hypercube, fully_connected, random_regular (drawn from the seed), none. Throws Error(usage) listing the
/// names.
std::vector<int> neighbours(const std::string& topology, int island, int islands, std::uint64_t seed = 0);
std::vector<std::string> topologies();

}  // namespace apq::island
