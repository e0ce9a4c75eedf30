// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <memory>

#include "apq/search/algorithm.hpp"

/// The search methods by the names users write. A method is a file (or a folder) beside this one that defines
/// make_<name>, and a line here.
#define APQ_SEARCH_ALGORITHMS(ALGORITHM) \
  ALGORITHM(evolution)                   \
  ALGORITHM(nsga2)                       \
  ALGORITHM(random)

namespace apq::search {

/// How often a child (or a first genome) that is over the budget or known is drawn again.
inline constexpr int kRedraws = 20;

using Maker = std::unique_ptr<Algorithm>(const space::SearchSpace& space, Budget budget,
                                         const EvolutionOptions& options, std::uint64_t seed,
                                         std::uint64_t key);
#define APQ_DECLARE(name) Maker make_##name;
APQ_SEARCH_ALGORITHMS(APQ_DECLARE)
#undef APQ_DECLARE

}  // namespace apq::search
