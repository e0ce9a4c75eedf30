// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "apq/search/algorithm.hpp"

namespace apq::search {

/// Scores the genomes of many populations with one call of the evaluator and none twice: not within the
/// call, and not those it still remembers (about the last quarter of a million). A score is a function of its
/// genome, so what is remembered never changes a result.
class Scorer {
 public:
  Scorer();
  ~Scorer();
  Scorer(Scorer&&) noexcept;

  /// Canonical genomes in, individuals out, in their order.
  std::vector<std::vector<Individual>> score(Evaluator& evaluator,
                                             std::vector<std::vector<space::Genome>> batches);
  /// After a new predictor nothing known is true any more.
  void forget();
  /// Genomes the evaluator was asked for, and those that needed no asking.
  std::int64_t scored() const { return scored_; }
  std::int64_t remembered() const { return remembered_; }

 private:
  struct Memory;
  std::unique_ptr<Memory> memory_;
  std::int64_t scored_ = 0, remembered_ = 0;
};

}  // namespace apq::search
