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
  if (kind == LayerKind::dense) layer.role = space::LayerRole::stem;
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

TEST_F(HalfTable, EveryEnergyIsReproducedToOneInABillion) {
  for (const auto& e : entries_)
    EXPECT_NEAR(device_.layer(layer_of(e)).energy_mj / e.energy_mj, 1, 1e-9)
        << e.cin << " " << e.cout << " " << e.kernel << " W" << e.weight_bits << "A" << e.activation_bits;
}

/// Least squares of rows . x = 1 by the normal equations.
std::vector<double> solve_least_squares(const std::vector<std::vector<double>>& rows) {
  const std::size_t n = rows.front().size();
  std::vector<std::vector<double>> a(n, std::vector<double>(n + 1));
  for (const auto& row : rows)
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) a[i][j] += row[i] * row[j];
      a[i][n] += row[i];
    }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < n; ++k) {
      if (k == i) continue;
      const double factor = a[k][i] / a[i][i];
      for (std::size_t j = i; j <= n; ++j) a[k][j] -= factor * a[i][j];
    }
  std::vector<double> x;
  for (std::size_t i = 0; i < n; ++i) x.push_back(a[i][n] / a[i][i]);
  return x;
}

TEST_F(HalfTable, ConstantsFittedToSomeShapesGiveTheEnergiesOfTheOthers) {
  const auto counts = [&](const testing::TableEntry& e) {
    const auto s = device_.schedule(e.cin, e.cout, (e.size + e.stride - 1) / e.stride, e.kernel, e.stride,
                                    e.weight_bits, e.activation_bits, e.depthwise());
    return std::vector<double>{s.cycles,         s.compute_cycles,    s.weight_writes,
                               s.weight_reads,   s.activation_writes, s.activation_reads,
                               s.output_accesses};
  };
  const auto dram = [&](const testing::TableEntry& e) {
    return 15e-9 * device_
                       .schedule(e.cin, e.cout, (e.size + e.stride - 1) / e.stride, e.kernel, e.stride,
                                 e.weight_bits, e.activation_bits, e.depthwise())
                       .dram_bits;
  };
  const auto fitted = [](const testing::TableEntry& e) { return (e.cin / 8 + e.size + e.kernel) % 2 == 0; };
  std::vector<std::vector<double>> rows;
  for (const auto& e : entries_) {
    if (!fitted(e)) continue;
    rows.push_back(counts(e));
    for (double& count : rows.back()) count /= e.energy_mj - dram(e);
  }
  const std::vector<double> constants = solve_least_squares(rows);
  int held_out = 0;
  for (const auto& e : entries_) {
    if (fitted(e)) continue;
    double energy = dram(e);
    const auto c = counts(e);
    for (std::size_t i = 0; i < c.size(); ++i) energy += constants[i] * c[i];
    EXPECT_NEAR(energy / e.energy_mj, 1, 1e-9);
    ++held_out;
  }
  EXPECT_GT(held_out, 1000);
  EXPECT_LT(held_out, 2300);
  EXPECT_NEAR(constants[0] * 1e9, BitFusionEnergy{}.cycle, 1e-3);
  EXPECT_NEAR(constants[1] * 1e9, BitFusionEnergy{}.compute_cycle, 1e-3);
}

TEST(BitFusion, AnEnergyIsThatOfPaperAndPencil) {
  // 16 -> 32 channels, 4 x 4 outputs, 8 bits, one tile, 16 compute cycles. Weights rest: 4096 bits are
  // written and read once; 2048 activation bits are written, and read once for the 32 columns; each of the
  // 512 partial sums of 32 bits is brought in and sent out, and computed, once.
  const auto s = BitFusion().schedule(16, 32, 4, 1, 1, 8, 8, false);
  EXPECT_EQ(s.weight_writes, 4096);
  EXPECT_EQ(s.weight_reads, 4096);
  EXPECT_EQ(s.activation_writes, 2048);
  EXPECT_EQ(s.activation_reads, 2048);
  EXPECT_EQ(s.output_accesses, 2 * 16384);
  EXPECT_NEAR(s.energy_pj(),
              15 * 38912 + 0.02891615625 * 4096 + 0.02136565625 * 4096 + 0.1137040625 * 2048 +
                  0.059474375 * 2048 + 0.09250146875 * 32768 + 476.6518 * 16 + 433.014704 * s.cycles,
              1e-6);
}

TEST(BitFusion, ABatchReusesWeightsAndOtherwiseCostsItsImages) {
  BitFusionOptions eight;
  eight.batch = 8;
  const BitFusion one, batch(eight);
  // 1280 -> 1000 at one pixel: the weights are nearly all of the traffic, and a batch reads them once.
  const auto single = one.schedule(1280, 1000, 1, 1, 1, 8, 8, false);
  const auto together = batch.schedule(1280, 1000, 1, 1, 1, 8, 8, false);
  EXPECT_LT(together.cycles, 1.6 * single.cycles);
  EXPECT_EQ(together.compute_cycles, 8 * single.compute_cycles);
  // Never slower than one image after the other, never faster than its array.
  for (int size : {7, 14, 28})
    for (int cin : {24, 96, 192}) {
      const auto s = one.schedule(cin, 96, size, 3, 1, 8, 8, cin == 96),
                 b = batch.schedule(cin, 96, size, 3, 1, 8, 8, cin == 96);
      EXPECT_LE(b.cycles, 8 * s.cycles);
      EXPECT_GE(b.cycles, b.compute_cycles);
      EXPECT_GE(b.cycles, b.dram_bits / 192);
    }
}

TEST(BitFusion, StemAndHeadConvolutionTakeThePublicCycles) {
  const BitFusion device;
  EXPECT_NEAR(device.layer(layer(LayerKind::dense, 3, 32, 224, 3, 2)).latency_ms * 500e3, 147952, 0.01);
  EXPECT_NEAR(device.layer(layer(LayerKind::pointwise, 320, 1280, 7, 1, 1)).latency_ms * 500e3, 40804, 0.01);
  EXPECT_NEAR(device.layer(layer(LayerKind::dense, 3, 32, 224, 3, 2)).energy_mj, 0.506184, 1e-6);
  EXPECT_NEAR(device.layer(layer(LayerKind::pointwise, 320, 1280, 7, 1, 1)).energy_mj, 0.151808, 1e-6);
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
