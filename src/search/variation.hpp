// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <functional>

#include "apq/core/random.hpp"
#include "apq/space/search_space.hpp"

namespace apq::search {

/// Redraws each depth and each block (all its genes together) with probability `rate`. Blocks that a larger
/// depth switches on are drawn too: the parent says nothing about them. `child` is canonical; its memory is
/// used again.
void mutate(const space::SearchSpace& space, const space::Genome& parent, double rate, RandomStream& random,
            space::Genome& child);

/// A coin per stage chooses whose depth, a coin per block whose genes; a block only one parent has on comes
/// from that parent. `child` is canonical; its memory is used again.
void crossover(const space::SearchSpace& space, const space::Genome& a, const space::Genome& b,
               RandomStream& random, space::Genome& child);

/// Gives `genome` the depths and blocks of `target` one by one in random order until `fits` holds; ends at
/// `target` at the latest. Canonical.
space::Genome move_towards(const space::SearchSpace& space, space::Genome genome, const space::Genome& target,
                           const std::function<bool(const space::Genome&)>& fits, RandomStream& random);

}  // namespace apq::search
