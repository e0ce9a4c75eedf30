// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "apq/core/error.hpp"
#include "core/philox.hpp"

namespace apq {
namespace {

using Words = std::array<std::uint32_t, 4>;

// The three vectors published with the generator: zeros, ones, digits of pi.
TEST(Philox, GivesThePublishedVectors) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

std::uint64_t first(std::uint64_t seed, Purpose purpose, std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  return RandomStream(seed, purpose, a, b, c).next64();
}

TEST(RandomStream, EqualKeysGiveEqualNumbers) {
  RandomStream x(7, Purpose::test, 1, 2, 3), y(7, Purpose::test, 1, 2, 3);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(x.next(), y.next());
}

// Two blocks computed apart from this program: the key from libxxhash, the rounds written out from the paper.
// A change here changes every result of the program.
TEST(RandomStream, NumbersOfAKeyNeverChange) {
  RandomStream stream(1, Purpose::test);
  const std::array<std::uint32_t, 8> expected{0x64d95c62, 0xf8b10515, 0x3b8103c7, 0x4a1b9836,
                                              0x32e085c5, 0xc6ff5ffe, 0x073127ca, 0xc3c3525f};
  for (const std::uint32_t word : expected) EXPECT_EQ(stream.next(), word);
}

TEST(RandomStream, EveryPartOfTheKeyMatters) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 4; ++seed)
    for (const Purpose purpose : {Purpose::split, Purpose::test})
      for (std::uint64_t a = 0; a < 4; ++a)
        for (std::uint64_t b = 0; b < 4; ++b)
          for (std::uint64_t c = 0; c < 4; ++c) seen.insert(first(seed, purpose, a, b, c));
  EXPECT_EQ(seen.size(), 4u * 2 * 4 * 4 * 4);
}

TEST(RandomStream, BlocksDoNotRepeat) {
  RandomStream stream(1, Purpose::test);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 20000; ++i) seen.insert(stream.next64());
  EXPECT_EQ(seen.size(), 20000u);
}

TEST(RandomStream, UniformHasTheMomentsOfTheUnitInterval) {
  RandomStream stream(2, Purpose::test);
  const int n = 200000;
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double u = stream.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
  }
  EXPECT_NEAR(sum / n, 0.5, 5 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(squares / n, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / n));
}

TEST(RandomStream, BelowIsFairForSmallRanges) {
  RandomStream stream(3, Purpose::test);
  const std::uint32_t n = 7;
  const int draws = 70000;
  std::array<int, 7> count{};
  for (int i = 0; i < draws; ++i) ++count.at(stream.below(n));
  double chi2 = 0;
  for (const int c : count) chi2 += (c - 10000.0) * (c - 10000.0) / 10000.0;
  EXPECT_LT(chi2, 22.5);  // 0.1 % of fair generators exceed this with 6 degrees of freedom
}

// With n = 3 * 2^30 taking a word modulo n would give values below 2^30 half of the time instead of a third.
TEST(RandomStream, BelowIsFairForHugeRanges) {
  RandomStream stream(4, Purpose::test);
  const int draws = 30000;
  std::array<int, 3> count{};
  for (int i = 0; i < draws; ++i) ++count.at(stream.below(3u << 30) >> 30);
  for (const int c : count) EXPECT_NEAR(c, draws / 3.0, 5 * std::sqrt(draws * 2.0 / 9));
}

TEST(RandomStream, BelowOneIsZeroAndBelowZeroIsRefused) {
  RandomStream stream(5, Purpose::test);
  EXPECT_EQ(stream.below(1), 0u);
  EXPECT_THROW(stream.below(0), Error);
}

TEST(RandomStream, NormalHasTheMomentsAndTailsOfTheBellCurve) {
  RandomStream stream(6, Purpose::test);
  const int n = 200000;
  double sum = 0, squares = 0, fourth = 0;
  int beyond_two = 0;
  for (int i = 0; i < n; ++i) {
    const double x = stream.normal();
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
    beyond_two += std::abs(x) > 2;
  }
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96.0 / n));
  EXPECT_NEAR(static_cast<double>(beyond_two) / n, 0.0455, 0.0024);
}

TEST(RandomStream, NormalKeepsNothingBetweenDraws) {
  RandomStream x(7, Purpose::test), y(7, Purpose::test);
  x.normal();
  for (int i = 0; i < 4; ++i) y.next();
  EXPECT_EQ(x.next(), y.next());
}

TEST(RandomStream, PermutationHoldsEachIndexOnceAndEveryOrderOccurs) {
  const auto big = RandomStream(8, Purpose::test).permutation(1000);
  EXPECT_EQ(std::set<std::uint32_t>(big.begin(), big.end()).size(), 1000u);
  EXPECT_EQ(*std::max_element(big.begin(), big.end()), 999u);

  RandomStream stream(9, Purpose::test);
  std::map<std::vector<std::uint32_t>, int> orders;
  for (int i = 0; i < 6000; ++i) ++orders[stream.permutation(3)];
  ASSERT_EQ(orders.size(), 6u);
  for (const auto& [order, count] : orders) EXPECT_NEAR(count, 1000, 5 * std::sqrt(6000 * 5.0 / 36));
}

}  // namespace
}  // namespace apq
