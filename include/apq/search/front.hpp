// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <vector>

#include "apq/search/algorithm.hpp"

namespace apq::search {

/// A network that was on a front, from the generation it came until the one it was dominated in.
struct FrontMember {
  std::int64_t entered = 0;
  std::int64_t left = -1;  ///< negative: it is on the front
  Individual individual;
};

/// Everything non-dominated (accuracy up, one cost down) that was offered so far, and when it came and went.
/// Of equal scores the first stays.
class Front {
 public:
  explicit Front(int metric) : metric_(metric) {}
  /// Scores must be numbers.
  void offer(const Individual& individual, std::int64_t generation);
  /// Nobody is on it any more (their scores are no longer true).
  void clear(std::int64_t generation);
  /// By rising cost and accuracy.
  const std::vector<FrontMember>& members() const { return members_; }
  /// Those who left, in that order.
  const std::vector<FrontMember>& former() const { return former_; }
  void restore(std::vector<FrontMember> members, std::vector<FrontMember> former);
  /// Area dominated above `reference_accuracy` and below `reference_cost`.
  double hypervolume(double reference_accuracy, double reference_cost) const;

 private:
  double cost(const Individual& i) const { return i.score.costs[static_cast<std::size_t>(metric_)]; }

  int metric_;
  std::vector<FrontMember> members_, former_;
};

}  // namespace apq::search
