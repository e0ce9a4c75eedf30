// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/eval/latency.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "unit/space/spaces.hpp"

namespace apq::eval {
namespace {

using space::SearchSpace;

TEST(CoveringGenomes, HoldEveryKernelAndWidthOfEveryBlock) {
  for (const auto& options : {space::testing::tiny_options(), space::testing::imagenet_options()}) {
    const SearchSpace space(options);
    std::set<std::array<std::size_t, 3>> held;
    for (const space::Genome& g : covering_genomes(space)) {
      ASSERT_TRUE(space.valid(g));
      for (std::size_t b = 0; b < g.blocks.size(); ++b) {
        EXPECT_TRUE(space.active(g, static_cast<int>(b)));
        held.insert({b, g.blocks[b].kernel, g.blocks[b].width});
      }
    }
    std::size_t all = 0;
    for (const auto& block : space.blocks()) all += block.kernels.size() * block.widths.size();
    EXPECT_EQ(held.size(), all);
  }
}

TEST(LatencyMeter, TimesEveryLayerAndTheyAddUpToTheNetwork) {
  space::SpaceOptions options = space::testing::tiny_options();
  options.input_size = 32;
  options.head_width = 128;
  options.stages[0].width = 64;
  const SearchSpace space(options);
  LatencyMeter meter(space, 4, 1);
  for (const Precision precision : {Precision::int8, Precision::fp32}) {
    const NetworkTime t = meter.measure(space.largest(), precision, 30);
    ASSERT_EQ(t.layer_ms.size(), space.expand(space.largest()).size());
    for (double ms : t.layer_ms) EXPECT_GT(ms, 0);
    const double sum = std::accumulate(t.layer_ms.begin(), t.layer_ms.end(), 0.0);
    // Loose: other programs may run here. What is compared closely is in results/cpu-latency.
    EXPECT_GT(t.total_ms, sum / 3);
    EXPECT_LT(t.total_ms, sum * 3);
  }
}

TEST(LatencyMeter, ADeeperAndWiderNetworkTakesLonger) {
  space::SpaceOptions options = space::testing::tiny_options();
  options.input_size = 32;
  options.stages[0].max_expand = 12;
  const SearchSpace space(options);
  LatencyMeter meter(space, 1, 1);
  EXPECT_LT(meter.measure(space.smallest(), Precision::int8, 50).total_ms,
            meter.measure(space.largest(), Precision::int8, 50).total_ms);
}

}  // namespace
}  // namespace apq::eval
