// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "comm/chunks.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace apq::comm {
namespace {

std::vector<std::vector<int>> pieces(std::vector<int> values, std::size_t chunk) {
  std::vector<std::vector<int>> result;
  for_each_chunk(
      std::span(values), [&](std::span<int> part) { result.emplace_back(part.begin(), part.end()); }, chunk);
  return result;
}

TEST(Chunks, CoverEveryElementOnceInOrder) {
  using Pieces = std::vector<std::vector<int>>;
  EXPECT_EQ(pieces({}, 3), Pieces{});
  EXPECT_EQ(pieces({1, 2}, 3), (Pieces{{1, 2}}));
  EXPECT_EQ(pieces({1, 2, 3}, 3), (Pieces{{1, 2, 3}}));
  EXPECT_EQ(pieces({1, 2, 3, 4, 5, 6, 7}, 3), (Pieces{{1, 2, 3}, {4, 5, 6}, {7}}));
}

TEST(Chunks, FitIntoTheCountsOfMpi) { EXPECT_LE(kChunk, 0x7fffffffu); }

}  // namespace
}  // namespace apq::comm
