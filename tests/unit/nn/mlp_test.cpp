// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/nn/mlp.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "apq/core/error.hpp"
#include "apq/core/random.hpp"
#include "apq/nn/ops.hpp"
#include "nn/kernels/mlp_kernels.hpp"
#include "nn/onednn/matmul.hpp"

namespace apq::nn {
namespace {

std::vector<float> normals(std::size_t n, double deviation, std::uint64_t key) {
  RandomStream random(5, Purpose::test, key);
  std::vector<float> values(n);
  for (float& v : values) v = static_cast<float>(deviation * random.normal());
  return values;
}

MlpWeights random_weights(int hidden, int rows) {
  const auto h = static_cast<std::size_t>(hidden);
  const double he = std::sqrt(2.0 / hidden);
  MlpWeights w;
  w.hidden = hidden;
  w.table = normals(static_cast<std::size_t>(rows) * h, 0.2, 1);
  w.first_bias = normals(h, 0.1, 2);
  w.second = normals(h * h, he, 3);
  w.second_bias = normals(h, 0.1, 4);
  w.third = normals(h * h, he, 5);
  w.third_bias = normals(h, 0.1, 6);
  w.output = normals(h, he, 7);
  w.output_bias = 0.3f;
  return w;
}

Picks random_picks(int inputs, int rows, std::uint64_t key) {
  RandomStream random(6, Purpose::test, key);
  Picks picks;
  for (int i = 0; i < inputs; ++i) {
    const std::uint32_t count = random.below(30);  // an input may pick nothing
    for (std::uint32_t k = 0; k < count; ++k)
      picks.rows.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(rows))));
    picks.end_input();
  }
  return picks;
}

/// The definition, in double precision.
std::vector<double> plain(const MlpWeights& w, const Picks& picks) {
  const auto h = static_cast<std::size_t>(w.hidden);
  const auto dense = [&](const std::vector<double>& x, const std::vector<float>& m,
                         const std::vector<float>& bias) {
    std::vector<double> y(bias.begin(), bias.end());
    for (std::size_t k = 0; k < h; ++k)
      for (std::size_t c = 0; c < h; ++c) y[c] += x[k] * static_cast<double>(m[k * h + c]);
    for (double& v : y) v = std::max(v, 0.0);
    return y;
  };
  std::vector<double> outputs;
  for (std::int64_t i = 0; i < picks.count(); ++i) {
    std::vector<double> x(w.first_bias.begin(), w.first_bias.end());
    for (auto p = picks.ends[i]; p < picks.ends[i + 1]; ++p)
      for (std::size_t c = 0; c < h; ++c) x[c] += static_cast<double>(w.table[picks.rows[p] * h + c]);
    for (double& v : x) v = std::max(v, 0.0);
    x = dense(dense(x, w.second, w.second_bias), w.third, w.third_bias);
    double y = static_cast<double>(w.output_bias);
    for (std::size_t c = 0; c < h; ++c) y += x[c] * static_cast<double>(w.output[c]);
    outputs.push_back(y);
  }
  return outputs;
}

std::vector<float> run(Mlp& mlp, const Picks& picks) {
  std::vector<float> outputs(static_cast<std::size_t>(picks.count()));
  mlp.run(picks, outputs);
  return outputs;
}

TEST(Mlp, Fp32IsTheDefinitionForAnyWidth) {
  for (const int hidden : {1, 7, 16, 32, 100, 400}) {
    const MlpWeights weights = random_weights(hidden, 50);
    const Picks picks = random_picks(300, 50, 1);
    Mlp mlp(weights, Precision::fp32);
    const auto outputs = run(mlp, picks);
    const auto expected = plain(weights, picks);
    for (std::size_t i = 0; i < outputs.size(); ++i) ASSERT_NEAR(outputs[i], expected[i], 2e-4) << hidden;
  }
}

TEST(Mlp, LowerPrecisionsStayCloseToTheDefinition) {
  const MlpWeights weights = random_weights(400, 60);
  const Picks picks = random_picks(400, 60, 2);
  const auto expected = plain(weights, picks);
  const auto deviation = [&](auto value) {
    double mean = 0, square = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) mean += value(i) / static_cast<double>(expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) square += std::pow(value(i) - mean, 2);
    return std::sqrt(square / static_cast<double>(expected.size()));
  };
  const double spread = deviation([&](std::size_t i) { return expected[i]; });
  for (const auto& [precision, share] : {std::pair{Precision::bf16, 0.02}, {Precision::int8, 0.06}}) {
    Mlp mlp(weights, precision, random_picks(500, 60, 3));
    const auto outputs = run(mlp, picks);
    EXPECT_LT(deviation([&](std::size_t i) { return outputs[i] - expected[i]; }), share * spread);
  }
}

// Alone, in any company, at any place, on any number of threads: the same bits.
TEST(Mlp, AnOutputDependsOnItsOwnPicksOnly) {
  const MlpWeights weights = random_weights(400, 60);
  const Picks all = random_picks(777, 60, 4);
  for (const Precision precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
    Mlp mlp(weights, precision, random_picks(100, 60, 5));
    const auto together = run(mlp, all);
    for (const int threads : {1, 2, 3}) {
      set_threads(threads);
      for (const std::int64_t size : {1, 2, 3, 11, 13, 100, 241, 500})
        for (std::int64_t begin = 0; begin < all.count(); begin += size * 7) {
          Picks some;
          const std::int64_t end = std::min(begin + size, all.count());
          for (std::int64_t i = begin; i < end; ++i) {
            some.rows.insert(some.rows.end(), all.rows.begin() + all.ends[i],
                             all.rows.begin() + all.ends[i + 1]);
            some.end_input();
          }
          const auto outputs = run(mlp, some);
          for (std::int64_t i = begin; i < end; ++i)
            ASSERT_EQ(std::bit_cast<std::uint32_t>(outputs[i - begin]),
                      std::bit_cast<std::uint32_t>(together[i]))
                << i << " in " << size << " on " << threads << " threads";
        }
    }
    set_threads(1);
  }
}

void expect_same_dense(int width, std::int64_t rows) {
  const auto x = normals(rows * width, 1, 8), bias = normals(width + 32, 1, 9);
  const int panels = (width + kernels::kMlpPanel - 1) / kernels::kMlpPanel;
  const auto packed = normals(static_cast<std::int64_t>(panels) * width * kernels::kMlpPanel, 0.2, 10);
  std::vector<float> expected(rows * width), y(rows * width);
  kernels::kMlpGeneric.dense_relu(rows, width, x.data(), packed.data(), bias.data(), expected.data());
  for (std::int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < width; ++c) {
      double sum = static_cast<double>(bias[c]);
      for (int k = 0; k < width; ++k)
        sum += static_cast<double>(x[r * width + k]) *
               static_cast<double>(packed[(c / 32 * width + k) * 32 + c % 32]);
      ASSERT_NEAR(expected[r * width + c], std::max(sum, 0.0), 1e-4);
    }
  std::vector<const kernels::MlpKernels*> sets;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) sets.push_back(&kernels::kMlpAvx2);
  if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    sets.push_back(&kernels::kMlpAvx512);
  for (const auto* set : sets) {
    set->dense_relu(rows, width, x.data(), packed.data(), bias.data(), y.data());
    for (std::size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 1e-4);
  }
}

TEST(Mlp, EveryInstructionSetComputesTheSameUpToRounding) {
  // Widths of a part of a panel, of several passes over the inputs, and both; rows of every remainder.
  for (const auto& [width, rows] :
       {std::pair<int, std::int64_t>{48, 17}, {224, 12}, {432, 1}, {16, 3}, {432, 31}})
    expect_same_dense(width, rows);
}

TEST(Matmul, Int8IsExactAndBf16IsExactOnSmallWholeNumbers) {
  constexpr std::int64_t kRows = 5, kDepth = 32, kColumns = 16;
  RandomStream random(7, Purpose::test);
  std::vector<std::uint8_t> x(kRows * kDepth);
  std::vector<std::uint16_t> x16;
  std::vector<std::int8_t> w(kDepth * kColumns);
  for (auto& v : x) v = static_cast<std::uint8_t>(random.below(256));
  for (auto& v : w) v = static_cast<std::int8_t>(static_cast<int>(random.below(129)) - 64);
  for (const auto v : x)  // whole numbers up to 255 are bfloat16 numbers
    x16.push_back(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(v)) >> 16));
  const std::vector<float> w_float(w.begin(), w.end());
  std::vector<std::int32_t> sums(kRows * kColumns);
  std::vector<float> float_sums(kRows * kColumns);
  onednn::Matmul::int8(kRows, kDepth, kColumns, w).run(x.data(), sums.data());
  const bool bf16 = __builtin_cpu_supports("avx512bw");  // oneDNN needs AVX-512 for it
  if (bf16) onednn::Matmul::bf16(kRows, kDepth, kColumns, w_float).run(x16.data(), float_sums.data());
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t c = 0; c < kColumns; ++c) {
      std::int32_t expected = 0;
      for (std::int64_t k = 0; k < kDepth; ++k) expected += x[r * kDepth + k] * w[k * kColumns + c];
      EXPECT_EQ(sums[r * kColumns + c], expected);
      if (bf16) {
        EXPECT_EQ(float_sums[r * kColumns + c], static_cast<float>(expected));
      }
    }
}

TEST(Precision, NamesAreKnownAndOthersAreUsageErrors) {
  for (const auto& name : precisions())
    EXPECT_EQ(precisions()[static_cast<int>(precision_from_name(name))], name);
  try {
    precision_from_name("fp64");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
  }
}

}  // namespace
}  // namespace apq::nn
