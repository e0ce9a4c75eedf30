// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>
#include <vector>

namespace apq::island {

/// Islands that island `i` of `n` sends to, ascending, by topology name: ring, bidirectional_ring, torus,
/// hypercube, fully_connected, none. Throws Error(usage) listing the names.
std::vector<int> neighbours(const std::string& topology, int island, int islands);
std::vector<std::string> topologies();

}  // namespace apq::island
