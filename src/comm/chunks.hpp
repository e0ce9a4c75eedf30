// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

namespace apq::comm {

/// MPI counts are ints; longer data goes in pieces of at most this many elements.
inline constexpr std::size_t kChunk = std::size_t{1} << 28;

/// Calls `action` with consecutive pieces of `values`; not at all when there are none.
template <class T, class Action>
void for_each_chunk(std::span<T> values, Action action, std::size_t chunk = kChunk) {
  for (std::size_t at = 0; at < values.size(); at += chunk)
    action(values.subspan(at, std::min(chunk, values.size() - at)));
}

}  // namespace apq::comm
