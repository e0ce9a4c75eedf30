// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <utility>

#include "search/algorithms/registry.hpp"

namespace apq::search {
namespace {

/// Random search, the control: as many new random networks within the budget as other methods have children;
/// the best are kept.
class RandomSearch final : public Algorithm {
 public:
  using Algorithm::Algorithm;
  std::vector<space::Genome> children(const Evaluator& evaluator) const override {
    std::vector<space::Genome> drawn;
    for (int slot = 0; slot < options_.mutants + options_.crossovers; ++slot) {
      RandomStream random(seed_, Purpose::population, key_, static_cast<std::uint64_t>(slot),
                          static_cast<std::uint64_t>(generation_) + 1);
      drawn.push_back(random_within(*space_, evaluator, budget_, random));
    }
    return drawn;
  }
};

}  // namespace

std::unique_ptr<Algorithm> make_random(const space::SearchSpace& space, Budget budget,
                                       const EvolutionOptions& options, std::uint64_t seed,
                                       std::uint64_t key) {
  return std::make_unique<RandomSearch>(space, std::move(budget), options, seed, key);
}

}  // namespace apq::search
