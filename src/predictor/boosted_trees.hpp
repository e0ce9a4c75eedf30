// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace apq::predictor {

/// Rows of equal length, one after the other, and what is known of them.
struct Table {
  std::vector<float> values;
  std::size_t rows = 0;
  std::vector<float> targets;

  void add(const std::vector<float>& row) {
    values.insert(values.end(), row.begin(), row.end());
    ++rows;
  }
};

/// Was the program built with libxgboost?
bool has_boosted_trees();

/// XGBoost on squared error. Trees are added until the error on `held_out` has not fallen for 50 of them;
/// those up to its lowest point predict the rows of `wanted`. Same inputs, same results: one thread, given
/// seed.
std::vector<double> predict_with_boosted_trees(const Table& training, const Table& held_out,
                                               const Table& wanted, std::uint64_t seed);

}  // namespace apq::predictor
