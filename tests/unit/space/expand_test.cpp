// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <gtest/gtest.h>

#include "unit/space/spaces.hpp"

namespace apq::space {
namespace {

using testing::imagenet_options;
using testing::tiny_options;

TEST(Expansion, StartsAndEndsWithTheFixedEightBitLayers) {
  const SearchSpace space(imagenet_options());
  const NetworkSpec layers = space.expand(space.smallest());
  ASSERT_EQ(layers.size(), 1u + 2 + 3 * 11 + 2);
  const LayerSpec& stem = layers[0];
  EXPECT_EQ(stem.kind, LayerKind::dense);
  EXPECT_EQ(stem.name(), "stem");
  EXPECT_EQ(stem.cin, 3);
  EXPECT_EQ(stem.size_out(), 112);
  EXPECT_TRUE(stem.signed_input && stem.relu6);
  EXPECT_EQ(layers[1].name(), "depthwise of first block");
  EXPECT_TRUE(layers[1].relu6 && !layers[1].signed_input);
  EXPECT_EQ(layers[2].name(), "project of first block");
  EXPECT_EQ(layers[2].cout, 16);
  EXPECT_FALSE(layers[2].relu6 || layers[2].signed_input || layers[2].residual);
  const LayerSpec& head = layers[layers.size() - 2];
  EXPECT_EQ(head.role, LayerRole::head);
  EXPECT_EQ(head.cin, 320);
  EXPECT_EQ(head.size, 7);
  EXPECT_TRUE(head.signed_input && head.relu6);
  const LayerSpec& classifier = layers.back();
  EXPECT_EQ(classifier.kind, LayerKind::linear);
  EXPECT_EQ(classifier.macs(), 1280 * 1000);
  EXPECT_FALSE(classifier.signed_input || classifier.relu6);
  for (const LayerSpec& layer : {stem, layers[1], layers[2], head, classifier}) {
    EXPECT_EQ(layer.block, -1);
    EXPECT_EQ(layer.weight_bits, 8);
    EXPECT_EQ(layer.activation_bits, 8);
  }
}

TEST(Expansion, GivesABlockItsGenes) {
  const SearchSpace space(tiny_options());
  Genome g = space.largest();
  g.blocks[1] = {1, 1, {0, 1, 0, 1}};
  const NetworkSpec layers = space.expand(g);
  ASSERT_EQ(layers.size(), 1u + 6 + 2);
  const LayerSpec &expand = layers[4], &depthwise = layers[5], &project = layers[6];
  EXPECT_EQ(expand.name(), "expand of block 1");
  EXPECT_EQ(expand.cout, 16);
  EXPECT_TRUE(expand.signed_input && expand.relu6 && !expand.residual);
  EXPECT_EQ(depthwise.kernel, 7);
  EXPECT_EQ(depthwise.groups(), 16);
  EXPECT_EQ(depthwise.weights(), 49 * 16);
  EXPECT_EQ(depthwise.macs(), 64 * 49 * 16);
  EXPECT_TRUE(depthwise.relu6 && !depthwise.signed_input);
  EXPECT_TRUE(project.residual && !project.relu6 && !project.signed_input);
  for (const LayerSpec& layer : {expand, project}) {
    EXPECT_EQ(layer.weight_bits, 4);
    EXPECT_EQ(layer.activation_bits, 8);
  }
  EXPECT_EQ(depthwise.weight_bits, 4);
  EXPECT_EQ(depthwise.activation_bits, 8);
}

TEST(Expansion, LayersFitTogetherInAnyNetwork) {
  SpaceOptions options = imagenet_options();
  options.input_size = 45;  // odd sizes on the way down: 23, 12, 6, 3, 3, 2, 2
  const SearchSpace space(options);
  for (std::uint64_t i = 0; i < 100; ++i) {
    RandomStream random(2, Purpose::test, i);
    const NetworkSpec layers = space.expand(space.sample(random));
    for (std::size_t l = 1; l < layers.size(); ++l) {
      EXPECT_EQ(layers[l].cin, layers[l - 1].cout) << layers[l].name();
      if (layers[l].kind != LayerKind::linear) {
        EXPECT_EQ(layers[l].size, layers[l - 1].size_out()) << layers[l].name();
      }
      if (layers[l].residual) {
        EXPECT_EQ(layers[l].cout, layers[l - 2].cin) << layers[l].name();
      }
    }
    EXPECT_EQ(layers[layers.size() - 2].size, 2);
  }
}

TEST(Expansion, WithoutAFirstBlockTheStemFeedsTheStages) {
  const SearchSpace space(tiny_options());
  const NetworkSpec layers = space.expand(space.smallest());
  EXPECT_EQ(layers[1].role, LayerRole::expand);
  EXPECT_EQ(layers[1].cin, 8);
}

}  // namespace
}  // namespace apq::space
