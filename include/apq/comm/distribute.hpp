// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "apq/comm/communicator.hpp"

namespace apq::comm {

/// To be called often while an item is computed: a heartbeat that also lets the other ranks get their next
/// items from the root. Throws to abandon the item when a stop is asked for; let it pass.
using Beat = std::function<void()>;

/// Computes every item on whichever rank is idle next, in the order of `items` (put long ones first). No rank
/// waits for another before all items are taken. `keep(item, value)` is called on the root as results arrive,
/// then on the other ranks for all of them, so that every rank has the same results. When `stop()` turns true
/// on any rank, no further item is begun anywhere and unfinished ones are abandoned. Collective.
void distribute(Communicator& comm, const std::vector<std::int64_t>& items,
                const std::function<double(std::int64_t item, const Beat& beat)>& compute,
                const std::function<void(std::int64_t item, double value)>& keep,
                const std::function<bool()>& stop);

}  // namespace apq::comm
