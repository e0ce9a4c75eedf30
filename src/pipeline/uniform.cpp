// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/uniform.hpp"

#include <set>

#include "apq/core/watchdog.hpp"
#include "pipeline/costs.hpp"

namespace apq::pipeline {
namespace {

/// Scores the genomes of a space of one number of bits as those of the whole space.
class UniformEvaluator final : public search::Evaluator {
 public:
  UniformEvaluator(const space::SearchSpace& space, int bits, search::Evaluator& whole)
      : space_(&space), bits_(bits), whole_(&whole) {}
  void evaluate(std::span<const space::Genome> genomes, std::span<search::Score> scores) override {
    std::vector<space::Genome> same;
    for (const space::Genome& genome : genomes) same.push_back(space_->with_uniform_bits(genome, bits_));
    whole_->evaluate(same, scores);
  }
  double cost(const space::Genome& genome, int metric) const override {
    return whole_->cost(space_->with_uniform_bits(genome, bits_), metric);
  }

 private:
  const space::SearchSpace* space_;
  int bits_;
  search::Evaluator* whole_;
};

}  // namespace

std::vector<Measured> uniform_networks(const Context& c, search::Evaluator& evaluator, int count) {
  const config::SearchOptions& options = c.config.search;
  const std::vector<int>& bits = c.config.space.bits;
  const int populations = static_cast<int>(c.budgets.size() * bits.size());
  const int steps = (count + populations - 1) / populations;
  std::set<space::Genome> taken;
  std::vector<Measured> found;
  for (std::size_t b = 0; b < c.budgets.size(); ++b)
    for (std::size_t u = 0; u < bits.size(); ++u) {
      if (!c.space.valid(c.space.with_uniform_bits(c.space.smallest(), bits[u]))) continue;
      space::SpaceOptions one = c.config.space;
      one.bits = {bits[u]};
      const space::SearchSpace space(one);
      UniformEvaluator uniform(c.space, bits[u], evaluator);
      // Keys of islands that do not exist.
      const auto key = (static_cast<std::uint64_t>(options.islands.islands) + u) << 32 | b;
      search::Budget budget = c.budgets[b];
      budget.smallest = space.smallest();
      const auto algorithm = search::make_algorithm(options.algorithm, space, budget, make_evolution(options),
                                                    c.config.seed, key);
      const double limit = c.budgets[b].limit;
      const double floor = options.islands.spread && c.budgets[b].floor >= 0 ? c.budgets[b].floor : limit;
      for (int step = 1; step <= steps; ++step) {
        algorithm->set_limit(floor + (limit - floor) * step / steps);
        if (!algorithm->budget().holds([&](int metric) { return uniform.cost(space.smallest(), metric); }))
          continue;
        if (algorithm->population().empty()) algorithm->initialise(uniform);
        for (int g = 0; g < options.generations / steps; ++g) algorithm->step(uniform);
        heartbeat();
        for (const search::Individual& best : algorithm->emigrants(options.evolution.population)) {
          const auto genome = c.space.canonical(c.space.with_uniform_bits(best.genome, bits[u]));
          if (!taken.insert(genome).second) continue;
          found.push_back({genome, static_cast<int>(b), "uniform", best.score.accuracy, 0});
          break;
        }
      }
    }
  return found;
}

}  // namespace apq::pipeline
