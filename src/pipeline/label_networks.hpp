// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <vector>

#include "pipeline/context.hpp"

namespace apq::pipeline {

/// 0 to count - 1 in an order whose every beginning is spread evenly: 0, 4, 2, 6, 1, 5, 3, 7 of 8.
std::vector<std::size_t> spread_order(std::size_t count);

/// That many different networks for a study of labels, spread over the BitOps of the networks that int8 pairs
/// are drawn from; every beginning of the list is spread too. Error(usage) when the space has too few.
std::vector<space::Genome> label_networks(const Context& context, int count);

}  // namespace apq::pipeline
