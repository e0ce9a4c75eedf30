// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <vector>

#include "apq/search/algorithm.hpp"

namespace apq::search {

/// Constrained evolution for one budget (APQ section 3.4), corrected: bits are seen by the evaluator,
/// crossover children are kept, depth mutates and crosses over. Survivors: elites, then the best children; no
/// genome twice, none over the budget, none whose accuracy is no number. A child that is over the budget or
/// known already is drawn again a few times; every second one is first moved towards the budget's smallest
/// until it fits, and so is the last draw.
class Evolution final : public Algorithm {
 public:
  using Algorithm::Algorithm;
  std::vector<space::Genome> children(const Evaluator& evaluator) const override;

 private:
  std::size_t parents_kept() const override;
  bool draw_child(const Evaluator& evaluator, std::size_t parents, int slot, bool shrink,
                  RandomStream& random, space::Genome& child) const;
};

}  // namespace apq::search
