// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "apq/core/random.hpp"
#include "apq/predictor/predictor.hpp"
#include "support/small_space.hpp"

namespace apq::predictor {

/// Accuracy is a sum of one gain per picked slot; larger kernels, widths and bits gain more, with less and
/// less to gain.
class AdditiveWorld {
 public:
  AdditiveWorld(const space::SearchSpace& space, std::uint64_t seed) : space_(&space) {
    RandomStream random(seed, Purpose::test, 1);
    const auto gains = [&](std::size_t choices) {
      const double scale = random.uniform();
      for (std::size_t i = 0; i < choices; ++i)
        gains_.push_back(scale * std::sqrt(static_cast<double>(i + 1) / static_cast<double>(choices)));
    };
    for (const auto& block : space.blocks()) gains(block.kernels.size());
    for (const auto& block : space.blocks()) gains(block.widths.size());
    for (std::size_t i = 0; i < space::kBitGenes * space.blocks().size(); ++i)
      gains(space.options().bits.size());
  }
  double fp32(const space::Genome& g) const { return 0.7 + 0.02 * sum(g, false); }
  /// Mostly the architecture; the bits weigh half per gene.
  double quantized(const space::Genome& g) const {
    return 0.6 + 0.02 * (0.75 * sum(g, false) + 0.25 * sum(g, true));
  }
  std::vector<Pair> pairs(int count, bool with_bits, std::uint64_t seed) const {
    RandomStream random(seed, Purpose::test, 2);
    std::vector<Pair> result;
    for (int i = 0; i < count; ++i) {
      const space::Genome genome = space_->sample(random);
      result.push_back({genome, with_bits ? quantized(genome) : fp32(genome)});
    }
    return result;
  }

 private:
  double sum(const space::Genome& g, bool with_bits) const {
    std::vector<std::int32_t> slots;
    space_->encode(g, with_bits, slots);
    double total = 0;
    for (const auto slot : slots) total += gains_[slot];
    return total;
  }
  const space::SearchSpace* space_;
  std::vector<double> gains_;
};

/// Small perceptrons on a small space.
class PredictorTest : public testing::Test {
 protected:
  PredictorTest() { options_.hidden = 64; }

  static std::vector<double> predict(const Predictor& predictor, const std::vector<Pair>& pairs) {
    std::vector<space::Genome> genomes;
    for (const Pair& pair : pairs) genomes.push_back(pair.genome);
    std::vector<double> result(pairs.size());
    predictor.predict(genomes, result);
    return result;
  }
  static Quality test(const Predictor& predictor, const std::vector<Pair>& pairs) {
    std::vector<double> measured;
    for (const Pair& pair : pairs) measured.push_back(pair.accuracy);
    return quality(predict(predictor, pairs), measured);
  }
  Predictor fitted(bool with_bits, int pairs, std::uint64_t seed = 1) {
    Predictor predictor(space_, with_bits, options_, seed);
    predictor.fit(world_.pairs(pairs, with_bits, 10 + seed));
    return predictor;
  }

  space::SearchSpace space_{apq::test::small_space_options()};
  AdditiveWorld world_{space_, 1};
  PredictorOptions options_;
};

}  // namespace apq::predictor
