// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/products.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "apq/core/random.hpp"

namespace apq::nn {
namespace {

using Values = std::vector<float>;

Values random_values(int n, std::uint64_t key) {
  RandomStream random(1, Purpose::test, key);
  Values v(static_cast<std::size_t>(n));
  for (float& x : v) x = static_cast<float>(2 * random.uniform() - 1);
  return v;
}

double rounded(float v) {
  Bf16 to;
  assign(to, v);
  return static_cast<double>(to_float(to));
}

/// Shapes with odd rows, depths and columns, and with more than a panel of columns.
class PairProductsOf : public ::testing::TestWithParam<std::array<int, 3>> {
 protected:
  void SetUp() override {
    if (!__builtin_cpu_supports("avx512bf16")) GTEST_SKIP() << "this CPU has no AVX512_BF16";
  }

  const int rows_ = GetParam()[0], depth_ = GetParam()[1], columns_ = GetParam()[2];
  const PairProducts products_{kernels::kPairsAvx512Bf16};
  kernels::Ahead ahead_;

  Values scratch() const {
    return Values(static_cast<std::size_t>(PairProducts::scratch(rows_, depth_, columns_)), NAN);
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, PairProductsOf,
                         ::testing::Values(std::array{1, 1, 1}, std::array{2, 2, 16}, std::array{7, 5, 17},
                                           std::array{24, 96, 24}, std::array{13, 33, 48},
                                           std::array{50, 24, 144}, std::array{31, 17, 83}));

TEST_P(PairProductsOf, RowsAndWeightsAreThePlainSumsOfRoundedNumbersRounded) {
  const int ld = columns_ + 3;
  const Values x = random_values(rows_ * depth_, 1), w = random_values(depth_ * ld, 2);
  Values packed(static_cast<std::size_t>(depth_ + 1) * (columns_ + kernels::kLanes)), memory = scratch();
  products_.pack(depth_, columns_, w.data(), ld, 1, packed.data());
  std::vector<Bf16> c(static_cast<std::size_t>(rows_) * columns_ + 1, Bf16{0x1234});
  products_.with_weights(rows_, columns_, depth_, x.data(), packed.data(), c.data(), memory.data(), ahead_);
  for (int r = 0; r < rows_; ++r)
    for (int n = 0; n < columns_; ++n) {
      double sum = 0;
      for (int k = 0; k < depth_; ++k) sum += rounded(x[r * depth_ + k]) * rounded(w[k * ld + n]);
      ASSERT_NEAR(to_float(c[r * columns_ + n]), sum, std::abs(sum) / 256 + 1e-5) << r << " " << n;
    }
  EXPECT_EQ(c.back().bits, 0x1234) << "written past the end";
}

TEST_P(PairProductsOf, TheGradientGrowsByThePlainSumsOfRoundedNumbers) {
  const Values x = random_values(rows_ * depth_, 3), before = random_values(depth_ * columns_, 5);
  Values dz = random_values(rows_ * columns_, 4), dw = before, memory = scratch();
  products_.add_to_gradient(rows_, columns_, depth_, x.data(), dz.data(), dw.data(), memory.data(), ahead_);
  for (int k = 0; k < depth_; ++k)
    for (int n = 0; n < columns_; ++n) {
      double sum = static_cast<double>(before[k * columns_ + n]);
      for (int r = 0; r < rows_; ++r) sum += rounded(x[r * depth_ + k]) * rounded(dz[r * columns_ + n]);
      ASSERT_NEAR(dw[k * columns_ + n], sum, 1e-5) << k << " " << n;
    }
}

}  // namespace
}  // namespace apq::nn
