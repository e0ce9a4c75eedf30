// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "island/topologies/registry.hpp"

namespace apq::island {

// Rows x columns as nearly square as n divides.
std::vector<int> torus_targets(int i, int n, std::uint64_t) {
  int rows = 1;
  for (int r = 1; r * r <= n; ++r)
    if (n % r == 0) rows = r;
  const int columns = n / rows, row = i / columns, column = i % columns;
  const auto at = [&](int r, int c) { return (r + rows) % rows * columns + (c + columns) % columns; };
  return {at(row - 1, column), at(row + 1, column), at(row, column - 1), at(row, column + 1)};
}

}  // namespace apq::island
