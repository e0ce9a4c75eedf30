// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/search/evolution.hpp"

#include <algorithm>
#include <utility>

#include "search/algorithms/registry.hpp"
#include "search/genome_set.hpp"
#include "search/variation.hpp"

namespace apq::search {

std::size_t Evolution::parents_kept() const {
  return std::min(population_.size(), static_cast<std::size_t>(options_.elites));
}

std::vector<space::Genome> Evolution::children(const Evaluator& evaluator) const {
  const int slots = options_.mutants + options_.crossovers;
  GenomeSet known(population_.size() + static_cast<std::size_t>(slots));
  for (const Individual& individual : population_) known.insert(individual.genome);
  std::vector<space::Genome> born;
  born.reserve(static_cast<std::size_t>(slots));
  space::Genome child;
  for (int slot = 0; slot < slots; ++slot) {
    RandomStream random(seed_, Purpose::variation, key_, static_cast<std::uint64_t>(generation_),
                        static_cast<std::uint64_t>(slot));
    for (int attempt = 0; attempt <= kRedraws; ++attempt) {
      const bool shrink = attempt == kRedraws || slot % 2 == 1;
      if (!draw_child(evaluator, parents_kept(), slot, shrink, random, child) || !known.insert(child))
        continue;
      born.push_back(child);
      break;
    }
  }
  return born;
}

// Drawing again whatever is over the budget starves the search of deeper networks when the budget is tight:
// a new block fits only if others shrink. So every second child is shrunk instead.
bool Evolution::draw_child(const Evaluator& evaluator, std::size_t parents, int slot, bool shrink,
                           RandomStream& random, space::Genome& child) const {
  const auto count = static_cast<std::uint32_t>(parents);
  const std::uint32_t first = random.below(count);
  const std::uint32_t second = count > 1 ? (first + 1 + random.below(count - 1)) % count : first;
  if (slot < options_.mutants)
    mutate(*space_, population_[first].genome, options_.mutation_rate, random, child);
  else
    crossover(*space_, population_[first].genome, population_[second].genome, random, child);
  const auto fits = [&](const space::Genome& g) { return within(evaluator, g); };
  if (fits(child)) return true;
  if (!shrink) return false;
  child = move_towards(*space_, std::move(child), budget_.smallest, fits, random);
  return fits(child);
}

std::unique_ptr<Algorithm> make_evolution(const space::SearchSpace& space, Budget budget,
                                          const EvolutionOptions& options, std::uint64_t seed,
                                          std::uint64_t key) {
  return std::make_unique<Evolution>(space, std::move(budget), options, seed, key);
}

}  // namespace apq::search
