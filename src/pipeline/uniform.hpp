// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <vector>

#include "pipeline/artifacts.hpp"
#include "pipeline/context.hpp"

namespace apq::pipeline {

/// What a search finds when all layers must have the same bits, to compare mixed precision with: about
/// `count` different networks. For every budget and number of bits one population without neighbours, scored
/// by `evaluator`, whose limit rises in equal steps from the budget's floor; the best after each step is one
/// of them. Steps that the space's smallest network does not meet are left out.
std::vector<Measured> uniform_networks(const Context& context, search::Evaluator& evaluator, int count);

}  // namespace apq::pipeline
