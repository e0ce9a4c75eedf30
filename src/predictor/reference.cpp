// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/predictor/reference.hpp"

#include "predictor/boosted_trees.hpp"
#include "predictor/ridge.hpp"
#include "predictor/split.hpp"

namespace apq::predictor {
namespace {

template <class Number>
std::vector<Number> one_hot(const space::SearchSpace& space, const space::Genome& genome) {
  std::vector<std::int32_t> slots;
  space.encode(genome, true, slots);
  std::vector<Number> x(static_cast<std::size_t>(space.slots()));
  for (const std::int32_t slot : slots) x[static_cast<std::size_t>(slot)] = 1;
  return x;
}

std::vector<double> ridge(const space::SearchSpace& space, std::span<const Pair> pairs,
                          std::span<const space::Genome> genomes, std::uint64_t) {
  Rows x;
  std::vector<double> y, predicted;
  for (const Pair& pair : pairs) {
    x.push_back(one_hot<double>(space, pair.genome));
    y.push_back(pair.accuracy);
  }
  const Ridge fitted = fit_ridge(x, y);
  for (const space::Genome& genome : genomes)
    predicted.push_back(fitted.predict(one_hot<double>(space, genome)));
  return predicted;
}

std::vector<double> xgboost(const space::SearchSpace& space, std::span<const Pair> pairs,
                            std::span<const space::Genome> genomes, std::uint64_t seed) {
  const Split parts = split(space, pairs, PredictorOptions{}.held_out, seed);
  const auto table = [&](const std::vector<Pair>& from) {
    Table result;
    for (const Pair& pair : from) {
      result.add(one_hot<float>(space, pair.genome));
      result.targets.push_back(static_cast<float>(pair.accuracy));
    }
    return result;
  };
  Table wanted;
  for (const space::Genome& genome : genomes) wanted.add(one_hot<float>(space, genome));
  return predict_with_boosted_trees(table(parts.training), table(parts.held_out), wanted, seed);
}

}  // namespace

std::vector<NamedReference> references() {
  std::vector<NamedReference> all{{"ridge", ridge}};
  if (has_boosted_trees()) all.push_back({"xgboost", xgboost});
  return all;
}

}  // namespace apq::predictor
