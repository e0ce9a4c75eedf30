// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/label_networks.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace apq::pipeline {
namespace {

TEST(LabelNetworks, TheOrderOfEightIsThatOfVanDerCorput) {
  EXPECT_EQ(spread_order(8), (std::vector<std::size_t>{0, 4, 2, 6, 1, 5, 3, 7}));
}

TEST(LabelNetworks, EveryNumberComesOnceAndBeginningsAreSpread) {
  for (const std::size_t count : {1u, 2u, 3u, 24u, 37u}) {
    const auto order = spread_order(count);
    auto sorted = order;
    std::ranges::sort(sorted);
    ASSERT_EQ(sorted.size(), count);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(sorted[i], i);
    for (std::size_t begun = 1; begun < count; begun *= 2) {  // half of them in either half
      const auto low = std::count_if(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(begun),
                                     [&](std::size_t n) { return 2 * n < count; });
      EXPECT_NEAR(static_cast<double>(low), static_cast<double>(begun) / 2,
                  0.2 * static_cast<double>(begun) + 1);
    }
  }
}

}  // namespace
}  // namespace apq::pipeline
