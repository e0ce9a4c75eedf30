// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "apq/search/evolution.hpp"

namespace apq::search {

/// True when a is no worse in accuracy and cost and better in one. Scores that are no numbers dominate
/// nothing and are dominated by all that are.
bool dominates(const Score& a, const Score& b, int metric);

/// Indices of the non-dominated individuals (accuracy up, cost `metric` down), by rising cost; those with the
/// same score by genome. Individuals whose scores are no numbers are never among them.
std::vector<std::size_t> pareto_front(std::span<const Individual> individuals, int metric);

/// Area dominated by the front, above `reference_accuracy` and below `reference_cost`.
double hypervolume(std::span<const Individual> individuals, int metric, double reference_accuracy,
                   double reference_cost);

}  // namespace apq::search
