// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <utility>

#include "unit/predictor/predictor_fixture.hpp"

namespace apq::predictor {
namespace {

class TransferTest : public PredictorTest {
 protected:
  Predictor transferred(const Predictor& fp32) const {
    Predictor quantized(space_, true, options_, 2);
    quantized.transfer_from(fp32);
    return quantized;
  }
};

TEST_F(TransferTest, TransferBeatsScratchOnFewPairs) {
  double scratch = 0, transferred = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const AdditiveWorld world(space_, seed);
    const auto few = world.pairs(60, true, 20 + seed), fresh = world.pairs(400, true, 3);
    Predictor fp32(space_, false, options_, seed);
    fp32.fit(world.pairs(500, false, 10 + seed));
    Predictor from_fp32(space_, true, options_, seed), from_scratch(space_, true, options_, seed);
    from_fp32.transfer_from(fp32);
    from_fp32.fit(few);
    from_scratch.fit(few);
    transferred += test(from_fp32, fresh).pairwise_accuracy / 3;
    scratch += test(from_scratch, fresh).pairwise_accuracy / 3;
  }
  EXPECT_LT(1 - transferred, 0.6 * (1 - scratch)) << scratch;  // pairs ranked wrongly
  EXPECT_GT(transferred, 0.9);
}

TEST_F(TransferTest, TransferTakesTrunkAndOutputAndLeavesTheBitMap) {
  const Predictor fp32 = fitted(false, 50);
  Predictor quantized(space_, true, options_, 2);
  const auto before = quantized.weights(), source = fp32.weights();
  quantized.transfer_from(fp32);
  const auto after = quantized.weights();
  const std::size_t rows = static_cast<std::size_t>(space_.architecture_slots()) * 64;
  const std::size_t bits = static_cast<std::size_t>(space_.bit_slots()) * 64;
  ASSERT_EQ(after.size(), source.size() + bits);
  EXPECT_TRUE(std::equal(after.begin(), after.begin() + rows, source.begin()));
  EXPECT_TRUE(std::equal(after.begin() + rows, after.begin() + rows + bits, before.begin() + rows));
  EXPECT_TRUE(std::equal(after.begin() + rows + bits, after.end() - 1, source.begin() + rows));
  EXPECT_EQ(after.back(), 1);
}

TEST_F(TransferTest, AFrozenTrunkLearnsInTheBitMapOnly) {
  const Predictor fp32 = fitted(false, 50);
  options_.trunk_rate = 0;
  options_.held_out = 0;
  Predictor quantized = transferred(fp32);
  const auto before = quantized.weights();
  quantized.fit(world_.pairs(50, true, 5));
  const auto after = quantized.weights();
  const std::size_t first = static_cast<std::size_t>(space_.architecture_slots()) * 64;
  const std::size_t last = first + static_cast<std::size_t>(space_.bit_slots()) * 64;
  const std::size_t output = after.size() - 3 - 1 - 64;  // before mean, deviation and transferred
  for (std::size_t i = 0; i < output; ++i)
    if (i < first || i >= last) {
      ASSERT_EQ(after[i], before[i]) << i;
    }
  EXPECT_FALSE(std::equal(after.begin() + first, after.begin() + last, before.begin() + first));
  // The output is scaled to the new targets as a whole.
  const double scale = after[output] / before[output];
  for (std::size_t i = output; i < output + 64; ++i) ASSERT_NEAR(after[i], scale * before[i], 1e-6) << i;
}

TEST_F(TransferTest, WhatWasTransferredPredictsWhatItDidMovedToTheMeanOfThePairs) {
  const Predictor fp32 = fitted(false, 300);
  // Of other mean and deviation than the float pairs, and in the opposite order.
  auto pairs = world_.pairs(60, true, 5);
  double mean = 0;
  for (Pair& pair : pairs) pair.accuracy = 0.4 - 0.1 * pair.accuracy;
  for (const Pair& pair : pairs) mean += pair.accuracy / static_cast<double>(pairs.size());
  options_.learning_rate = 1e-12;  // nothing is learnt
  options_.held_out = 0;
  Predictor quantized = transferred(fp32);
  quantized.fit(pairs);
  const auto as_float = predict(fp32, pairs), as_int8 = predict(quantized, pairs);
  const auto mean_and_deviation = [](const std::vector<double>& numbers) {
    double sum = 0, squares = 0;
    for (const double x : numbers) sum += x / static_cast<double>(numbers.size());
    for (const double x : numbers) squares += (x - sum) * (x - sum) / static_cast<double>(numbers.size());
    return std::pair(sum, std::sqrt(squares));
  };
  const auto [float_mean, float_deviation] = mean_and_deviation(as_float);
  const auto [int8_mean, int8_deviation] = mean_and_deviation(as_int8);
  EXPECT_NEAR(int8_mean, mean, 1e-5);
  EXPECT_GT(std::abs(float_mean - mean), 0.1);
  EXPECT_GT(quality(as_int8, as_float).kendall_tau, 0.8);  // but for the random bit map
  EXPECT_NEAR(int8_deviation, float_deviation, 0.2 * float_deviation);
}

// Decay towards 0 would take from the trunk what few pairs can't teach again.
TEST_F(TransferTest, WeightDecayPullsWhatWasTransferredToWhereItStarted) {
  const Predictor fp32 = fitted(false, 300);
  options_.weight_decay = 1;
  options_.held_out = 0;
  Predictor quantized = transferred(fp32);
  const auto pairs = world_.pairs(3, true, 5);
  const auto before = quantized.weights();
  quantized.fit(pairs);
  const auto after = quantized.weights();
  std::vector<bool> shown(static_cast<std::size_t>(space_.architecture_slots()));
  std::vector<std::int32_t> slots;
  for (const Pair& pair : pairs) {
    space_.encode(pair.genome, false, slots);
    for (const std::int32_t slot : slots) shown[static_cast<std::size_t>(slot)] = true;
  }
  int unseen = 0;
  for (std::size_t slot = 0; slot < shown.size(); ++slot) {
    if (shown[slot]) continue;
    ++unseen;
    for (std::size_t i = slot * 64; i < (slot + 1) * 64; ++i) ASSERT_EQ(after[i], before[i]) << slot;
  }
  EXPECT_GT(unseen, 0);
}

TEST_F(TransferTest, TheTrunkIsFrozenForTheFirstEpochsOnly) {
  const Predictor fp32 = fitted(false, 50);
  const auto trunk_after = [&](int epochs) {
    options_.epochs = epochs;
    options_.frozen_epochs = 3;
    Predictor quantized = transferred(fp32);
    quantized.fit(world_.pairs(9, true, 5));  // all are held out too, so the loss falls with every epoch
    auto weights = quantized.weights();
    weights.resize(static_cast<std::size_t>(space_.architecture_slots()) * 64);
    return weights;
  };
  auto source = fp32.weights();
  source.resize(trunk_after(3).size());
  EXPECT_EQ(trunk_after(3), source);
  EXPECT_NE(trunk_after(4), source);
}

}  // namespace
}  // namespace apq::predictor
