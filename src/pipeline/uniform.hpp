// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <vector>

#include "pipeline/artifacts.hpp"
#include "pipeline/context.hpp"

namespace apq::pipeline {

/// What a search finds when all layers must have the same bits, to compare mixed precision with: about
/// `count` networks, none of `known`. For every budget and number of bits one population without neighbours,
/// scored by `evaluator`, whose limit rises in equal steps from the budget's floor; the best after each step
/// is one of them. Steps that no such network meets are left out. The same on every rank.
std::vector<Measured> uniform_networks(const Context& context, search::Evaluator& evaluator, int count,
                                       const std::vector<Measured>& known);

}  // namespace apq::pipeline
