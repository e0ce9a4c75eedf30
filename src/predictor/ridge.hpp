// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace apq::predictor {

/// Rows of equal length.
using Rows = std::vector<std::vector<double>>;

/// prediction = bias + x . weights, with the least sum of squared errors + penalty x |weights|^2; the bias is
/// free.
struct Ridge {
  double penalty = 0;
  std::vector<double> weights;
  double bias = 0;
  double left_out_error = 0;  ///< mean squared error of each pair, predicted by the regression on the others

  double predict(std::span<const double> x) const;
};
/// The penalty must be above 0.
Ridge fit_ridge(const Rows& x, std::span<const double> y, double penalty);
/// The penalty, of 0.01 to 1000, with the least left-out error.
Ridge fit_ridge(const Rows& x, std::span<const double> y);

}  // namespace apq::predictor
