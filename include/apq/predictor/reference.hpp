// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "apq/predictor/predictor.hpp"
#include "apq/space/search_space.hpp"

namespace apq::predictor {

/// Predictors to compare the perceptron with: they see the same one-hot inputs, bits included, learn from
/// `pairs` and predict `genomes`.
using Reference = std::vector<double> (*)(const space::SearchSpace& space, std::span<const Pair> pairs,
                                          std::span<const space::Genome> genomes, std::uint64_t seed);
struct NamedReference {
  std::string name;
  Reference predict;
};
/// ridge: linear regression whose squared penalty has the least leave-one-out error. xgboost:
/// gradient-boosted trees, as many as a held-out part wants; only where the program was built with
/// libxgboost.
std::vector<NamedReference> references();

}  // namespace apq::predictor
