// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "report/scaling_model.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace apq::report {
namespace {

/// Linear between the measured sizes, by bandwidth beyond them.
double two_ranks(const TwoRankSums& measured, double bytes) {
  if (bytes <= measured.front().first) return measured.front().second;
  std::size_t i = 1;
  while (i + 1 < measured.size() && measured[i].first < bytes) ++i;
  const auto [low, fast] = measured[i - 1];
  const auto [high, slow] = measured[i];
  return fast + (slow - fast) * (bytes - low) / (high - low);
}

}  // namespace

double Prediction::seconds() const {
  return std::accumulate(terms.begin(), terms.end(), 0.0, [](double sum, auto& t) { return sum + t.second; });
}

std::string Prediction::bottleneck() const {
  std::string name;
  double largest = 0;
  for (const auto& [term, seconds] : terms)
    if (term != "compute" && seconds > largest) {
      name = term;
      largest = seconds;
    }
  return name;
}

double sum_seconds(const TwoRankSums& measured, double bytes, double ranks) {
  if (ranks < 2) return 0;
  const double latency = measured.front().second;
  return std::ceil(std::log2(ranks)) * latency +
         2 * (ranks - 1) / ranks * std::max(0.0, two_ranks(measured, bytes) - latency);
}

Prediction predict(const PhaseWork& work, const TwoRankSums& network, double ranks, bool weak, double cores) {
  const double grown = weak ? ranks : 1;
  const double slower = cores > 0 ? std::max(1.0, ranks / cores) : 1;
  const double agreement = sum_seconds(network, sizeof(double), ranks);
  std::map<std::string, double> terms;
  terms["serial part on rank 0"] = work.serial_seconds;
  double compute = work.seconds - work.item_seconds - work.refit_seconds - work.serial_seconds;

  if (work.sums > 0) {  // data-parallel training: fewer steps, each as long, and the gradients' sum
    const double steps = std::max(1.0, std::round(work.sums * grown / ranks));
    const double ideal = work.sums * grown / ranks, each = std::max(0.0, compute) / work.sums;
    terms["compute"] = ideal * each * slower;
    terms["too few training steps"] = std::max(0.0, steps - ideal) * each * slower;
    terms["sum of gradients"] = steps * (sum_seconds(network, work.sum_bytes, ranks) + agreement / 16);
    return {terms};
  }
  if (work.items > 0) {
    const double each = work.item_seconds / work.items, batch = work.items * grown / work.batches;
    const double ideal = work.items * grown / ranks;
    terms["compute"] += ideal * each * slower;
    terms["too few networks to measure at once"] =
        std::max(0.0, work.batches * std::ceil(batch / ranks) - ideal) * each * slower;
    // Rank 0 hands out the items, one after the other; at the end of a batch all hear the results.
    terms["handing out networks"] =
        work.items * grown * (ranks > 1 ? network.front().second : 0) + work.batches * 2 * agreement;
  }
  if (work.islands > 0) {
    const double islands = work.islands * grown, evolve = std::max(0.0, compute);
    terms["compute"] += evolve * grown / ranks * slower;
    terms["too few islands"] =
        evolve / work.islands * (std::ceil(islands / ranks) - islands / ranks) * slower;
    terms["agreement of all ranks"] = 4 * work.refits * agreement;  // those of the loop nobody waits for
  } else {
    terms["serial part on rank 0"] += std::max(0.0, compute);  // reading and writing
  }
  if (work.refits > 0)  // their pairs grow
    terms["fit of the predictor"] =
        work.refit_seconds * grown * std::ceil(work.members / ranks) / work.members;
  return {terms};
}

}  // namespace apq::report
