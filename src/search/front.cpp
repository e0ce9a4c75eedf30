// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/search/front.hpp"

#include <algorithm>
#include <utility>

namespace apq::search {

void Front::offer(const Individual& newcomer, std::int64_t generation) {
  // First member that costs more; the one before it is the most accurate of those that cost no more.
  const auto dearer = std::ranges::upper_bound(members_, cost(newcomer), {},
                                               [&](const FrontMember& m) { return cost(m.individual); });
  const double accuracy = newcomer.score.accuracy;
  if (dearer != members_.begin() && std::prev(dearer)->individual.score.accuracy >= accuracy) return;
  auto begin = dearer;
  if (begin != members_.begin() && cost(std::prev(begin)->individual) == cost(newcomer)) --begin;
  auto end = dearer;
  while (end != members_.end() && end->individual.score.accuracy <= accuracy) ++end;
  for (auto dominated = begin; dominated != end; ++dominated) {
    dominated->left = generation;
    former_.push_back(std::move(*dominated));
  }
  members_.insert(members_.erase(begin, end), {generation, -1, newcomer});
}

void Front::clear(std::int64_t generation) {
  for (FrontMember& member : members_) {
    member.left = generation;
    former_.push_back(std::move(member));
  }
  members_.clear();
}

void Front::restore(std::vector<FrontMember> members, std::vector<FrontMember> former) {
  members_ = std::move(members);
  former_ = std::move(former);
}

double Front::hypervolume(double reference_accuracy, double reference_cost) const {
  double area = 0, below = reference_accuracy;
  for (const FrontMember& member : members_) {
    const Score& score = member.individual.score;
    if (cost(member.individual) >= reference_cost || score.accuracy <= below) continue;
    area += (reference_cost - cost(member.individual)) * (score.accuracy - below);
    below = score.accuracy;
  }
  return area;
}

}  // namespace apq::search
