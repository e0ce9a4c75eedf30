// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "apq/space/genome.hpp"

namespace apq::search {

/// Number of cost metrics a score carries; the order is hw::Metric's.
inline constexpr int kCosts = 6;

/// What is known of a genome.
struct Score {
  double accuracy = 0;  ///< predicted or measured, a fraction
  std::array<double, kCosts> costs{};
};

/// A batch of genomes in, scores out. The search knows nothing else of the world.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  virtual void evaluate(std::span<const space::Genome> genomes, std::span<Score> scores) = 0;
  /// Cost only, cheap; used to reject children over the budget before they are scored.
  virtual double cost(const space::Genome& genome, int metric) const = 0;
};

}  // namespace apq::search
