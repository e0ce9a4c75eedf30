// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <string>

#include "apq/space/search_space.hpp"

namespace apq::island {

/// What one synchronous migration sends between ranks.
struct Traffic {
  std::int64_t messages = 0;
  std::int64_t bytes = 0;          ///< of their content
  std::int64_t most_messages = 0;  ///< sent by the busiest rank
  std::int64_t most_bytes = 0;
};

/// From the topology's edges alone: a rank sends one message to every other rank that hosts a destination of
/// one of its islands, with the migrants of these islands, `bytes_per_island` each.
Traffic model_traffic(const std::string& topology, int islands, int ranks, std::int64_t bytes_per_island,
                      std::uint64_t seed);

/// Size of the migrants of one island: per budget a count and `migrants` individuals.
std::int64_t bytes_per_island(const space::SearchSpace& space, std::int64_t budgets, std::int64_t migrants);

}  // namespace apq::island
