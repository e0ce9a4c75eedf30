// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/nn/bf16.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "apq/core/random.hpp"

namespace apq::nn {
namespace {

Bf16 rounded(float v) {
  Bf16 to;
  assign(to, v);
  return to;
}

TEST(Bf16, EveryNumberSurvivesTheWayThroughAFloat) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Bf16 v{static_cast<std::uint16_t>(bits)};
    if (std::isnan(to_float(v))) continue;
    EXPECT_EQ(rounded(to_float(v)).bits, bits);
  }
}

TEST(Bf16, AFloatBecomesTheNearerNeighbourAndTheEvenOneInTheMiddle) {
  RandomStream random(1, Purpose::test);
  for (int i = 0; i < 20000; ++i) {
    // Two neighbours and a float between them; in every fourth case the middle.
    const auto low = static_cast<std::uint16_t>(random.below(0x7f7f));
    const std::uint32_t part = i % 4 == 0 ? 0x8000u : random.below(0x10000);
    const float between = std::bit_cast<float>(std::uint32_t{low} << 16 | part);
    const double below = static_cast<double>(to_float(Bf16{low})),
                 above = static_cast<double>(to_float(Bf16{static_cast<std::uint16_t>(low + 1)}));
    const double left = static_cast<double>(between) - below, right = above - static_cast<double>(between);
    const bool up = left > right || (left == right && low % 2 == 1);
    EXPECT_EQ(rounded(between).bits, low + (up ? 1 : 0)) << between;
    EXPECT_EQ(rounded(-between).bits, (low + (up ? 1 : 0)) | 0x8000) << -between;
  }
}

TEST(Bf16, WhatIsNotFiniteStaysSo) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(to_float(rounded(infinity)), infinity);
  EXPECT_EQ(to_float(rounded(-infinity)), -infinity);
  EXPECT_EQ(to_float(rounded(std::numeric_limits<float>::max())), infinity);
  EXPECT_TRUE(std::isnan(to_float(rounded(infinity - infinity))));
  EXPECT_TRUE(std::isnan(to_float(rounded(0 * infinity))));
}

}  // namespace
}  // namespace apq::nn
