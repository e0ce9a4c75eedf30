// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/hw/bitfusion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "apq/core/error.hpp"
#include "hw/tiling.hpp"
#include "unit/hw/half_table.hpp"

namespace apq::hw {
namespace {

using space::LayerKind;
using space::LayerSpec;

LayerSpec layer_of(const testing::TableEntry& e) {
  LayerSpec layer;
  layer.kind = e.depthwise() ? LayerKind::depthwise : LayerKind::pointwise;
  layer.cin = e.cin;
  layer.cout = e.cout;
  layer.size = e.size;
  layer.kernel = e.kernel;
  layer.stride = e.stride;
  layer.weight_bits = e.weight_bits;
  layer.activation_bits = e.activation_bits;
  return layer;
}

LayerSpec layer(LayerKind kind, int cin, int cout, int size, int kernel, int stride) {
  LayerSpec layer = layer_of({cin, cout, size, kernel, stride, kernel / 2, 1, 8, 8, 0, 0});
  layer.kind = kind;
  return layer;
}

class HalfTable : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string error;
    entries_ = testing::read_half_table(error);
    ASSERT_EQ(error, "");
    ASSERT_EQ(entries_.size(), 3339u);
  }
  std::vector<testing::TableEntry> entries_;
  BitFusion device_;
};

TEST_F(HalfTable, EveryLatencyIsReproducedToTheCycle) {
  int wrong = 0;
  for (const auto& e : entries_) {
    const double table = std::round(e.latency_ms * 500e3);  // cycles at 500 MHz
    const double model = std::round(device_.layer(layer_of(e)).latency_ms * 500e3);
    wrong += table != model;
  }
  EXPECT_EQ(wrong, 0);
}

TEST_F(HalfTable, EnergiesFollowTheFitWithinItsStatedError) {
  for (const bool depthwise : {false, true}) {
    double error = 0, worst = 0;
    int count = 0;
    for (const auto& e : entries_) {
      if (e.depthwise() != depthwise) continue;
      const double ratio = device_.layer(layer_of(e)).energy_mj / e.energy_mj;
      error += std::abs(ratio - 1);
      worst = std::max(worst, std::abs(ratio - 1));
      ++count;
    }
    EXPECT_LT(error / count, depthwise ? 0.033 : 0.024);
    EXPECT_LT(worst, depthwise ? 0.08 : 0.14);
  }
}

TEST(BitFusion, StemAndHeadConvolutionTakeThePublicCycles) {
  const BitFusion device;
  EXPECT_NEAR(device.layer(layer(LayerKind::dense, 3, 32, 224, 3, 2)).latency_ms * 500e3, 147952, 0.01);
  EXPECT_NEAR(device.layer(layer(LayerKind::pointwise, 320, 1280, 7, 1, 1)).latency_ms * 500e3, 40804, 0.01);
  EXPECT_NEAR(device.layer(layer(LayerKind::dense, 3, 32, 224, 3, 2)).energy_mj, 0.506184, 0.02 * 0.506);
  EXPECT_NEAR(device.layer(layer(LayerKind::pointwise, 320, 1280, 7, 1, 1)).energy_mj, 0.151808,
              0.06 * 0.152);
}

TEST(BitFusion, LayersThePublicCodeLeavesOutCostWhatTheTableSays) {
  const BitFusion device;
  EXPECT_NEAR(device.layer(layer(LayerKind::depthwise, 32, 32, 112, 3, 1)).latency_ms, 0.905, 0.0006);
  EXPECT_NEAR(device.layer(layer(LayerKind::pointwise, 32, 16, 112, 1, 1)).latency_ms, 0.167, 0.0006);
  EXPECT_NEAR(device.layer(layer(LayerKind::linear, 1280, 1000, 1, 1, 1)).latency_ms, 0.107, 0.0006);
}

TEST(BitFusion, WhatThePublicTableLacksIsWhatFitsNoTile) {
  for (int kernel : {3, 5, 7})
    for (int w : {4, 6, 8})
      for (int a : {4, 6, 8}) {
        const int group = 8 * products_per_unit(w, a);
        const auto found = best_schedule({}, {group, group, 14, kernel, 1, w, a});
        EXPECT_EQ(found.has_value(), kernel < 7 || a > 4) << kernel << " W" << w << "A" << a;
      }
  const BitFusion device;
  EXPECT_EQ(device.schedule(96, 96, 14, 7, 1, 4, 4, true).cycles,
            device.schedule(96, 96, 14, 7, 1, 4, 8, true).cycles);
}

TEST(BitFusion, ALayerThatFitsWholeIsCostedByHand) {
  // 16 -> 32 channels, 4 x 4 outputs, 8 bits: one tile. Compute 16 cycles. In: 2048 + 4096 + 16384 bits, out
  // 16384.
  const auto s = BitFusion().schedule(16, 32, 4, 1, 1, 8, 8, false);
  EXPECT_EQ(s.compute_cycles, 16);
  EXPECT_EQ(s.dram_bits, 2048 + 4096 + 2 * 16384);
  EXPECT_LE(s.cycles, 16 + 118 + 86);  // ceil(22528 / 192) and ceil(16384 / 192)
  EXPECT_GE(s.cycles, 118 + 86);
}

TEST(BitFusion, SixBitsComputeNoFasterThanEightAndFourBitsTwice) {
  const BitFusion device;
  const auto compute = [&](int w, int a) {
    return device.schedule(96, 96, 28, 5, 1, w, a, true).compute_cycles;
  };
  EXPECT_EQ(compute(8, 8), 96.0 / 8 * 28 * 28 * 25);  // 8 of 512 lanes work in a depthwise layer
  EXPECT_EQ(compute(6, 6), compute(8, 8));
  EXPECT_EQ(compute(4, 8) * 2, compute(8, 8));
  EXPECT_EQ(compute(8, 4) * 2, compute(8, 8));
  EXPECT_EQ(compute(4, 4) * 4, compute(8, 8));
  const auto latency = [&](int bits) {
    return device.schedule(192, 1152, 7, 1, 1, bits, bits, false).cycles;
  };
  EXPECT_LT(latency(6), latency(8));  // less traffic
  EXPECT_LT(latency(4), latency(6));
}

TEST(BitFusion, IsNeverFasterThanItsArrayOrItsMemory) {
  const BitFusion device;
  for (int cin : {8, 24, 96, 136, 320})
    for (int cout : {8, 40, 192})
      for (int size : {1, 7, 13, 28})
        for (int bits : {4, 6, 8}) {
          const auto s = device.schedule(cin, cout, size, 1, 1, bits, bits, false);
          const double macs_per_cycle = 512.0 * (bits == 4 ? 4 : 1);
          EXPECT_GE(s.compute_cycles, 1.0 * cin * cout * size * size / macs_per_cycle);
          EXPECT_GE(s.cycles, s.compute_cycles);
          EXPECT_GE(s.dram_bits,
                    (1.0 * cin * cout + 1.0 * cin * size * size) * bits + 64.0 * cout * size * size);
          EXPECT_GE(s.cycles, s.dram_bits / 192);
        }
}

TEST(BitFusion, ImpossibleMachinesAndLayersAreRefused) {
  BitFusionOptions no_rows;
  no_rows.rows = 0;
  EXPECT_THROW(BitFusion{no_rows}, Error);
  BitFusionOptions nan;
  nan.frequency_mhz = std::nan("");
  EXPECT_THROW(BitFusion{nan}, Error);
  BitFusionOptions tiny;
  tiny.weight_sram_kib = 0.1;
  const BitFusion device(tiny);
  try {
    device.schedule(64, 64, 7, 3, 1, 8, 8, false);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("0.1"));
  }
}

}  // namespace
}  // namespace apq::hw
