// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/label_networks.hpp"

#include <algorithm>
#include <bit>
#include <set>

#include "apq/core/error.hpp"

namespace apq::pipeline {

namespace {

constexpr std::int64_t kCandidates = 16;  ///< drawn for each network wanted

}  // namespace

// Counts with the bits of the number reversed (van der Corput's sequence), without what is too large.
std::vector<std::size_t> spread_order(std::size_t count) {
  const std::size_t size = std::bit_ceil(count);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < size; ++i) {
    std::size_t reversed = 0;
    for (std::size_t bit = 1; bit < size; bit *= 2) reversed = 2 * reversed + (i & bit ? 1 : 0);
    if (reversed < count) order.push_back(reversed);
  }
  return order;
}

std::vector<space::Genome> label_networks(const Context& c, int count) {
  std::set<space::Genome> different;
  for (std::int64_t i = 0; i < kCandidates * count; ++i)
    different.insert(c.space.canonical(pair_genome(c, Purpose::label_study, i)));
  std::vector<space::Genome> candidates(different.begin(), different.end());
  const auto wanted = static_cast<std::size_t>(count);
  validate(candidates.size() >= wanted, ErrorKind::usage,
           "{} networks cannot be drawn from this space (of {} draws {} differ) choose fewer with --networks",
           count, kCandidates * count, candidates.size());
  std::ranges::stable_sort(candidates, {},
                           [&](const auto& g) { return c.costs.cost(g, hw::Metric::bitops_g); });
  std::vector<space::Genome> networks;
  for (const std::size_t part : spread_order(wanted))
    networks.push_back(candidates[(2 * part + 1) * candidates.size() / (2 * wanted)]);
  return networks;
}

}  // namespace apq::pipeline
