// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "apq/core/random.hpp"
#include "apq/search/evaluator.hpp"
#include "apq/space/search_space.hpp"

namespace apq::test {

/// A world in which accuracy and cost are sums over active blocks, so that the best network under a limit can
/// be computed exactly. Gains of kernel, width and bits are drawn per block; costs are whole numbers and grow
/// with every gene.
class SeparableEvaluator : public search::Evaluator {
 public:
  explicit SeparableEvaluator(const space::SearchSpace& space, std::uint64_t seed = 1) : space_(&space) {
    for (std::size_t b = 0; b < space.blocks().size(); ++b) {
      RandomStream random(seed, Purpose::test, b);
      Gains gains;
      for (auto* table :
           {&gains.kernel, &gains.width, &gains.bits[0], &gains.bits[1], &gains.bits[2], &gains.bits[3]})
        for (int i = 0; i < 32; ++i) table->push_back(random.uniform());
      gains_.push_back(gains);
    }
  }

  void evaluate(std::span<const space::Genome> genomes, std::span<search::Score> scores) override {
    ++calls;
    for (std::size_t i = 0; i < genomes.size(); ++i) {
      search::Score score;
      for (int b = 0; b < static_cast<int>(gains_.size()); ++b)
        if (space_->active(genomes[i], b)) score.accuracy += gain(b, genomes[i].blocks[b]);
      for (int m = 0; m < search::kCosts; ++m) score.costs[m] = cost(genomes[i], m);
      scores[i] = score;
      evaluated.push_back(genomes[i]);
    }
  }

  double cost(const space::Genome& genome, int metric) const override {
    int total = 0;
    for (int b = 0; b < static_cast<int>(gains_.size()); ++b)
      if (space_->active(genome, b)) total += cost_of(genome.blocks[b]);
    return (1 + metric) * total;
  }

  /// Accuracy of the best network with cost(·, 0) <= limit: best value of every block at every cost, then of
  /// every chain of blocks.
  double optimum(int limit) const {
    std::vector<double> best(limit + 1, 0);
    int first = 0;
    for (const space::StageOptions& stage : space_->options().stages) {
      std::vector<double> chain = best, after(limit + 1, kNever);
      for (int depth = 1; depth <= stage.depths.back(); ++depth) {
        chain = extend(chain, best_by_cost(first + depth - 1, limit));
        if (std::ranges::count(stage.depths, depth) > 0)
          for (int c = 0; c <= limit; ++c) after[c] = std::max(after[c], chain[c]);
      }
      best = after;
      first += stage.depths.back();
    }
    return best[limit];
  }

  int calls = 0;
  std::vector<space::Genome> evaluated;

 private:
  static constexpr double kNever = -std::numeric_limits<double>::infinity();
  struct Gains {
    std::vector<double> kernel, width, bits[space::kBitGenes];
  };

  double gain(int b, const space::BlockGenes& genes) const {
    double sum = gains_[b].kernel[genes.kernel] + gains_[b].width[genes.width];
    for (int i = 0; i < space::kBitGenes; ++i) sum += gains_[b].bits[i][genes.bits[i]];
    return sum / 100;
  }
  static int cost_of(const space::BlockGenes& genes) {
    int cost = 3 + 2 * genes.kernel + genes.width;
    for (auto bits : genes.bits) cost += bits;
    return cost;
  }
  std::vector<double> best_by_cost(int b, int limit) const {
    std::vector<double> best(limit + 1, kNever);
    const auto& choices = space_->blocks()[b];
    const auto n = static_cast<int>(space_->options().bits.size());
    space::BlockGenes genes;
    for (std::size_t k = 0; k < choices.kernels.size(); ++k)
      for (std::size_t w = 0; w < choices.widths.size(); ++w)
        for (int bits = 0; bits < n * n * n * n; ++bits) {
          genes.kernel = static_cast<std::uint8_t>(k);
          genes.width = static_cast<std::uint8_t>(w);
          for (int i = 0, rest = bits; i < space::kBitGenes; ++i, rest /= n)
            genes.bits[i] = static_cast<std::uint8_t>(rest % n);
          if (const int cost = cost_of(genes); cost <= limit)
            best[cost] = std::max(best[cost], gain(b, genes));
        }
    return best;
  }
  static std::vector<double> extend(const std::vector<double>& chain, const std::vector<double>& block) {
    std::vector<double> result(chain.size(), kNever);
    for (std::size_t i = 0; i < chain.size(); ++i)
      for (std::size_t j = 0; i + j < chain.size(); ++j)
        result[i + j] = std::max(result[i + j], chain[i] + block[j]);
    return result;
  }

  const space::SearchSpace* space_;
  std::vector<Gains> gains_;
};

}  // namespace apq::test
