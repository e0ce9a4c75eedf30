// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "predictor/ridge.hpp"

#include <cmath>
#include <numeric>

#include "apq/core/error.hpp"

namespace apq::predictor {
namespace {

/// a = l l^T of a positive definite matrix; l is in the lower triangle of what comes back.
Rows cholesky(Rows a) {
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      const double rest =
          a[i][j] -
          std::inner_product(a[i].begin(), a[i].begin() + static_cast<std::ptrdiff_t>(j), a[j].begin(), 0.0);
      a[i][j] = i == j ? std::sqrt(rest) : rest / a[j][j];
    }
  return a;
}

/// l z = b
std::vector<double> solve_lower(const Rows& l, std::vector<double> b) {
  for (std::size_t i = 0; i < b.size(); ++i) {
    b[i] -= std::inner_product(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(i), l[i].begin(), 0.0);
    b[i] /= l[i][i];
  }
  return b;
}

/// l^T w = z
std::vector<double> solve_upper(const Rows& l, std::vector<double> z) {
  for (std::size_t i = z.size(); i-- > 0;) {
    z[i] /= l[i][i];
    for (std::size_t j = 0; j < i; ++j) z[j] -= l[i][j] * z[i];
  }
  return z;
}

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

}  // namespace

double Ridge::predict(std::span<const double> x) const { return bias + dot(x, weights); }

Ridge fit_ridge(const Rows& x, std::span<const double> y, double penalty) {
  APQ_ASSERT(!x.empty() && x.size() == y.size() && penalty > 0);
  const std::size_t rows = x.size(), columns = x.front().size();
  const auto count = static_cast<double>(rows);
  // Centred, so that the bias is not punished.
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / count;
  std::vector<double> mean_x(columns);
  for (const auto& row : x)
    for (std::size_t c = 0; c < columns; ++c) mean_x[c] += row[c] / count;
  Rows centred = x;
  for (auto& row : centred)
    for (std::size_t c = 0; c < columns; ++c) row[c] -= mean_x[c];

  Rows a(columns, std::vector<double>(columns));
  std::vector<double> b(columns);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < columns; ++i) {
      b[i] += centred[r][i] * (y[r] - mean_y);
      for (std::size_t j = 0; j <= i; ++j) a[i][j] += centred[r][i] * centred[r][j];
    }
  for (std::size_t i = 0; i < columns; ++i) a[i][i] += penalty;
  const Rows l = cholesky(std::move(a));

  Ridge ridge;
  ridge.penalty = penalty;
  ridge.weights = solve_upper(l, solve_lower(l, std::move(b)));
  ridge.bias = mean_y - dot(mean_x, ridge.weights);
  // Leaving pair r out divides its error by 1 - h, where h is how much its own target moves its prediction.
  for (std::size_t r = 0; r < rows; ++r) {
    const auto z = solve_lower(l, centred[r]);
    const double error = (y[r] - ridge.predict(x[r])) / (1 - 1 / count - dot(z, z));
    ridge.left_out_error += error * error / count;
  }
  return ridge;
}

Ridge fit_ridge(const Rows& x, std::span<const double> y) {
  Ridge best;
  for (const double penalty : {0.01, 0.1, 1.0, 10.0, 100.0, 1000.0}) {
    Ridge ridge = fit_ridge(x, y, penalty);
    if (best.weights.empty() || ridge.left_out_error < best.left_out_error) best = std::move(ridge);
  }
  return best;
}

}  // namespace apq::predictor
