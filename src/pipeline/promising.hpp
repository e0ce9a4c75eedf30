// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <span>
#include <vector>

#include "apq/predictor/predictor.hpp"
#include "apq/search/algorithm.hpp"

namespace apq::pipeline {

/// Individuals in the order in which measuring them promises most: by upper confidence bound, the predicted
/// accuracy plus `exploration` times the ensemble's spread. Equal ones, and all with exploration 0, stay as
/// they are.
std::vector<search::Individual> most_promising_first(std::span<const search::Individual> individuals,
                                                     const predictor::Predictor& ensemble,
                                                     double exploration);

}  // namespace apq::pipeline
