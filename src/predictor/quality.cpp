// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <numeric>

#include "apq/core/error.hpp"
#include "apq/predictor/predictor.hpp"

namespace apq::predictor {
namespace {

double ratio_or_zero(double a, double b) { return b > 0 ? a / b : 0; }

/// 1 for the smallest; equal values share the mean of their ranks.
std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> result(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) result[order[i]] = static_cast<double>(begin + 1 + end) / 2;
    begin = end;
  }
  return result;
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ratio_or_zero(ab, std::sqrt(aa * bb));
}

}  // namespace

Quality quality(std::span<const double> predicted, std::span<const double> measured) {
  APQ_ASSERT(predicted.size() == measured.size());
  Quality result;
  result.pairs = static_cast<int>(measured.size());
  if (measured.empty()) return result;

  double squares = 0;
  double agree = 0, differ = 0;                  // pairs of networks ranked alike, and the other way round
  double tied_predicted = 0, tied_measured = 0;  // in one of the two only
  for (std::size_t i = 0; i < measured.size(); ++i) {
    squares += (predicted[i] - measured[i]) * (predicted[i] - measured[i]);
    for (std::size_t j = 0; j < i; ++j) {
      const bool same_prediction = predicted[i] == predicted[j],
                 same_measurement = measured[i] == measured[j];
      if (same_prediction || same_measurement) {
        tied_predicted += same_prediction && !same_measurement;
        tied_measured += same_measurement && !same_prediction;
      } else {
        ((predicted[i] < predicted[j]) == (measured[i] < measured[j]) ? agree : differ) += 1;
      }
    }
  }
  const double ranked = agree + differ;
  result.rmse = std::sqrt(squares / static_cast<double>(measured.size()));
  result.kendall_tau =
      ratio_or_zero(agree - differ, std::sqrt((ranked + tied_predicted) * (ranked + tied_measured)));
  result.spearman = correlation(ranks(predicted), ranks(measured));
  result.pairwise_accuracy = ratio_or_zero(agree + tied_predicted / 2, ranked + tied_predicted);
  return result;
}

}  // namespace apq::predictor
