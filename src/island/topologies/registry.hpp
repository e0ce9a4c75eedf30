// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <vector>

/// The topologies by the names users write. A topology is a file beside this one that defines <name>_targets,
/// and a line here.
#define APQ_TOPOLOGIES(TOPOLOGY) \
  TOPOLOGY(ring)                 \
  TOPOLOGY(bidirectional_ring)   \
  TOPOLOGY(torus)                \
  TOPOLOGY(hypercube)            \
  TOPOLOGY(fully_connected)      \
  TOPOLOGY(random_regular)       \
  TOPOLOGY(none)

namespace apq::island {

/// Islands that island `island` of `islands` sends to; repeats and itself are left out by the caller. A
/// function of its arguments alone.
using Targets = std::vector<int>(int island, int islands, std::uint64_t seed);
#define APQ_DECLARE(name) Targets name##_targets;
APQ_TOPOLOGIES(APQ_DECLARE)
#undef APQ_DECLARE

}  // namespace apq::island
