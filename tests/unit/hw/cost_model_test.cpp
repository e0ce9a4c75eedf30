// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/hw/cost_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "apq/hw/bitfusion.hpp"
#include "unit/space/spaces.hpp"

namespace apq::hw {
namespace {

using space::BlockGenes;
using space::Genome;
using space::SearchSpace;
using space::testing::imagenet_options;
using space::testing::tiny_options;

constexpr std::array kAllMetrics{Metric::latency_ms, Metric::energy_mj, Metric::bitops_g,
                                 Metric::params,     Metric::size_kib,  Metric::activation_kib};

/// A device whose latency and energy are easy to compute by hand.
class CountingDevice final : public Device {
 public:
  std::string name() const override { return "counting"; }
  LayerCost layer(const space::LayerSpec& l) const override {
    return {static_cast<double>(l.macs()) * 1e-6, static_cast<double>(l.weights() * l.weight_bits)};
  }
};

TEST(Metric, NamesComeBackAndUnknownOnesAreRefusedWithTheList) {
  for (Metric metric : kAllMetrics) EXPECT_EQ(metric_from_name(metric_name(metric)), metric);
  try {
    metric_from_name("speed");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(),
                ::testing::HasSubstr("latency_ms, energy_mj, bitops_g, params, size_kib, activation_kib"));
  }
}

TEST(Device, IsMadeByNameAndUnknownNamesAreRefused) {
  EXPECT_EQ(device_from_name("bitfusion")->name(), "bitfusion");
  EXPECT_THROW(device_from_name("abacus"), Error);
}

TEST(CostModel, CountsASmallNetworkAsPaperAndPencilDo) {
  // 8x8x1 input; stem 3x3 1->8; block: expand 8->16 (w4 a8), dw 3x3 on 16 (w8 a4), project 16->8; head 8->16;
  // 16->10.
  const SearchSpace space(tiny_options());
  Genome g = space.smallest();
  g.blocks[0] = {0, 1, {0, 1, 1, 0}};
  const CostModel model(space, std::make_shared<CountingDevice>(), Counting::everything);
  const Cost cost = model.cost(g);
  const double stem = 9 * 8, expand = 8 * 16, dw = 9 * 16, project = 16 * 8, head = 8 * 16,
               classifier = 16 * 10;
  EXPECT_DOUBLE_EQ(cost[Metric::params],
                   stem + expand + dw + project + head + classifier + 8 + 16 + 16 + 8 + 16 + 10);
  EXPECT_NEAR(cost[Metric::bitops_g],
              (64 * (stem * 64 + expand * 32 + dw * 32 + project * 32 + head * 64) + classifier * 64) * 1e-9,
              1e-15);
  const double bits =
      8 * (stem + dw + head + classifier) + 4 * (expand + project) + 32 * (8 + 16 + 16 + 8 + 16 + 10);
  EXPECT_NEAR(cost[Metric::size_kib], bits / 8 / 1024, 1e-12);
  EXPECT_NEAR(cost[Metric::latency_ms], (64 * (stem + expand + dw + project + head) + classifier) * 1e-6,
              1e-12);

  // Largest while the block projects: 8-bit input, 16-bit output, and the block's 16-bit input, which the
  // residual connection adds. Its depthwise layer has 4-bit input, 8-bit output and the same 16-bit values.
  const double project_bits = 64 * (8 * 16 + 16 * 8 + 8 * 16),
               depthwise_bits = 64 * (4 * 16 + 8 * 16 + 16 * 8);
  EXPECT_GT(project_bits, depthwise_bits);
  EXPECT_DOUBLE_EQ(cost[Metric::activation_kib], project_bits / 8 / 1024);

  const CostModel apq(space, std::make_shared<CountingDevice>(), Counting::apq);
  EXPECT_NEAR(cost[Metric::params] - apq.cost(g)[Metric::params], classifier + 10, 1e-9);
}

TEST(CostModel, ApqCountingLeavesOutFirstBlockAndClassifierOnly) {
  const SearchSpace space(imagenet_options());
  const auto device = device_from_name("bitfusion");
  const CostModel everything(space, device, Counting::everything), apq(space, device, Counting::apq);
  const Genome g = space.largest();
  const double params = (9 * 32 + 32) + (32 * 16 + 16) + (1280 * 1000 + 1000);
  EXPECT_NEAR(everything.cost(g, Metric::params) - apq.cost(g, Metric::params), params, 1e-6);
  EXPECT_NEAR(everything.cost(g, Metric::latency_ms) - apq.cost(g, Metric::latency_ms), 1.18, 0.005);
}

TEST(CostModel, TableSumsEqualLayerSumsForRandomGenomes) {
  space::SpaceOptions options = imagenet_options();
  options.input_size = 32;
  options.stem_stride = 1;
  options.forbid_k7_dw4 = true;
  const SearchSpace space(options);
  const auto device = device_from_name("bitfusion");
  for (Counting counting : {Counting::everything, Counting::apq}) {
    const CostModel model(space, device, counting);
    for (std::uint64_t i = 0; i < 20; ++i) {
      RandomStream random(1, Purpose::test, i);
      const Genome g = space.sample(random);
      const Cost table = model.cost(g), layers = model.cost_by_layers(g);
      for (Metric metric : kAllMetrics) {
        EXPECT_NEAR(table[metric], layers[metric], 1e-9 * layers[metric]) << metric_name(metric);
        EXPECT_EQ(model.cost(g, metric), table[metric]);
      }
    }
  }
}

TEST(CostModel, InactiveBlocksAreFreeAndActiveGenesAreNot) {
  const SearchSpace space(tiny_options());
  const CostModel model(space, device_from_name("bitfusion"), Counting::everything);
  Genome g = space.smallest(), h = g;
  h.blocks[1] = {1, 1, {1, 1, 1, 1}};
  EXPECT_EQ(model.cost(g).values, model.cost(h).values);
  h = g;
  h.blocks[0].width = 1;
  for (Metric metric : kAllMetrics)
    if (metric != Metric::activation_kib)  // a peak may lie elsewhere
      EXPECT_LT(model.cost(g, metric), model.cost(h, metric)) << metric_name(metric);
}

TEST(CostModel, ExtremesAreThoseOfBruteForceAndReachedByTheirGenome) {
  space::SpaceOptions options = tiny_options();
  options.stages[0].kernels = {7};  // the rule now forbids what would be cheapest
  for (const auto& space_options : {tiny_options(), options}) {
    const SearchSpace space(space_options);
    const CostModel model(space, device_from_name("bitfusion"), Counting::everything);
    for (Metric metric : kAllMetrics) {
      double low = 1e300, high = 0;
      space::testing::for_each_genome(space, [&](const Genome& g) {
        if (!space.valid(g)) return;
        low = std::min(low, model.cost(g, metric));
        high = std::max(high, model.cost(g, metric));
      });
      const auto smallest = model.smallest(metric), largest = model.largest(metric);
      EXPECT_EQ(smallest.value, low) << metric_name(metric);
      EXPECT_EQ(largest.value, high) << metric_name(metric);
      for (const auto& extreme : {smallest, largest}) {
        EXPECT_TRUE(space.valid(extreme.genome));
        EXPECT_NEAR(model.cost_by_layers(extreme.genome)[metric], extreme.value, 1e-9 * extreme.value);
      }
    }
  }
}

TEST(CostModel, SeveralBoundsAreMetTogetherWheneverEnumerationFindsANetwork) {
  const SearchSpace space(tiny_options());
  const CostModel model(space, device_from_name("bitfusion"), Counting::everything);
  std::vector<Cost> all;
  space::testing::for_each_genome(space, [&](const Genome& g) {
    if (space.valid(g)) all.push_back(model.cost(g));
  });
  const auto meets = [](const Cost& cost, const std::vector<Bound>& bounds) {
    return std::ranges::all_of(bounds, [&](const Bound& b) { return cost[b.metric] <= b.limit; });
  };
  int reachable = 0, found = 0;
  for (double share : {0.02, 0.05, 0.1, 0.3, 0.6})
    for (Metric second : {Metric::energy_mj, Metric::bitops_g, Metric::size_kib, Metric::activation_kib}) {
      std::vector<Bound> bounds;
      for (Metric m : {Metric::latency_ms, second, Metric::params})
        bounds.push_back({m, model.smallest(m).value * (1 - share) + model.largest(m).value * share});
      const bool possible = std::ranges::any_of(all, [&](const Cost& c) { return meets(c, bounds); });
      const auto witness = model.smallest(Metric::latency_ms, bounds);
      reachable += possible;
      found += witness.has_value();
      if (witness) {
        EXPECT_TRUE(meets(model.cost_by_layers(witness->genome), bounds));
      }
    }
  EXPECT_GE(reachable, 10);
  EXPECT_EQ(found, reachable);
  EXPECT_FALSE(model.smallest(Metric::latency_ms, std::vector<Bound>{{Metric::activation_kib, 0.1}}));
}

/// Whole-network figures of the public table (head and tail counted, first block and classifier not).
class PublicNetworks : public ::testing::Test {
 protected:
  /// Every block with kernel `kernel`, the smallest (4) or largest (6) expansion, the same bits throughout.
  static Genome network(int kernel, int expand, int depth, int weight_bits, int activation_bits) {
    Genome g = expand == 6 ? space_->largest() : space_->smallest();
    for (std::size_t s = 0; s + 1 < g.depth.size(); ++s) g.depth[s] = static_cast<std::uint8_t>(depth - 2);
    const auto index = [](int bits) { return static_cast<std::uint8_t>((bits - 4) / 2); };
    for (BlockGenes& genes : g.blocks) {
      genes.kernel = static_cast<std::uint8_t>((kernel - 3) / 2);
      genes.bits = {index(weight_bits), index(activation_bits), index(weight_bits), index(activation_bits)};
    }
    return g;
  }
  static void SetUpTestSuite() {
    space_ = new SearchSpace(imagenet_options());
    const Timer timer;
    model_ = new CostModel(*space_, device_from_name("bitfusion"), Counting::apq);
    seconds_ = timer.seconds();
  }
  static void TearDownTestSuite() {
    delete model_;
    delete space_;
  }
  static SearchSpace* space_;
  static CostModel* model_;
  static double seconds_;
};
SearchSpace* PublicNetworks::space_ = nullptr;
CostModel* PublicNetworks::model_ = nullptr;
double PublicNetworks::seconds_ = 0;

TEST_F(PublicNetworks, LatencyAgreesToTheLastPublishedDigitAndEnergyWithinSixPercent) {
  struct Row {
    int kernel, expand, depth, weight_bits, activation_bits;
    double latency_ms, energy_mj;
  };
  const std::vector<Row> rows{{3, 4, 2, 4, 4, 2.96, 5.11},   {3, 4, 2, 6, 6, 4.60, 6.37},
                              {3, 4, 2, 8, 8, 4.67, 6.64},   {3, 6, 4, 4, 4, 7.38, 12.85},
                              {3, 6, 4, 8, 8, 12.86, 17.58}, {5, 6, 4, 4, 4, 10.59, 16.80},
                              {5, 6, 4, 6, 6, 26.22, 27.19}, {5, 6, 4, 8, 8, 26.47, 29.59},
                              {7, 6, 4, 6, 6, 46.49, 37.53}, {7, 6, 4, 8, 8, 46.79, 40.69}};
  for (const Row& r : rows) {
    const Cost cost = model_->cost(network(r.kernel, r.expand, r.depth, r.weight_bits, r.activation_bits));
    EXPECT_NEAR(cost[Metric::latency_ms], r.latency_ms, 0.0051);
    EXPECT_NEAR(cost[Metric::energy_mj], r.energy_mj, 0.06 * r.energy_mj);
  }
  EXPECT_NEAR(model_->cost(network(5, 6, 4, 4, 8), Metric::latency_ms), 15.62, 0.0051);
  EXPECT_NEAR(model_->cost(network(5, 6, 4, 8, 4), Metric::latency_ms), 15.69, 0.0051);
}

TEST_F(PublicNetworks, TheTableOfThePapersSpaceIsBuiltInSeconds) { EXPECT_LT(seconds_, 10); }

}  // namespace
}  // namespace apq::hw
