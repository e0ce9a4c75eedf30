// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/space/search_space.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "apq/core/error.hpp"
#include "unit/space/spaces.hpp"

namespace apq::space {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::imagenet_options;
using testing::tiny_options;

Genome draw(const SearchSpace& space, std::uint64_t slot) {
  RandomStream random(7, Purpose::test, slot);
  return space.sample(random);
}

/// Runs `action` and returns the text of the error it must throw.
std::string error_of(ErrorKind kind, const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(SearchSpace, ThePapersSpaceHasThePublicSizes) {
  const SearchSpace space(imagenet_options());
  EXPECT_EQ(space.blocks().size(), 21u);
  EXPECT_EQ(space.architecture_slots(), 520);
  EXPECT_EQ(space.bit_slots(), 252);
  EXPECT_EQ(space.slots(), 772);
  std::map<int, std::size_t> widths;
  std::size_t total = 0;
  for (const auto& block : space.blocks()) {
    widths[block.cin] = block.widths.size();
    total += block.widths.size();
    for (int width : block.widths) {
      EXPECT_EQ(width % 8, 0);
      EXPECT_GE(width, 4 * block.cin);
      EXPECT_LE(width, 6 * block.cin);
    }
  }
  EXPECT_EQ(widths, (std::map<int, std::size_t>{{16, 5}, {24, 7}, {40, 11}, {80, 21}, {96, 25}, {192, 49}}));
  EXPECT_EQ(total, 457u);
}

TEST(SearchSpace, TheNumberOfNetworksIsTheNumberOfDifferentCanonicalValidGenomes) {
  const SearchSpace space(tiny_options());
  std::set<Genome> networks;
  testing::for_each_genome(space, [&](const Genome& g) {
    if (space.valid(g)) networks.insert(space.canonical(g));
  });
  EXPECT_NEAR(std::pow(10, space.log10_size()), static_cast<double>(networks.size()), 1e-6);
  // kernel x depthwise input bits: 4 pairs less the forbidden one; widths 2; three more bit genes.
  EXPECT_EQ(networks.size(), 48u + 48u * 48u);
}

TEST(SearchSpace, BlocksFollowStridesAndWidths) {
  const SearchSpace space(imagenet_options());
  const auto& blocks = space.blocks();
  EXPECT_EQ(blocks[0].cin, 16);
  EXPECT_EQ(blocks[0].size, 112);
  EXPECT_FALSE(blocks[0].residual);
  EXPECT_EQ(blocks[1].cin, 24);
  EXPECT_EQ(blocks[1].size, 56);
  EXPECT_TRUE(blocks[1].residual);
  EXPECT_EQ(blocks[12].stride, 1);  // 80 -> 96 keeps the size but not the width
  EXPECT_FALSE(blocks[12].residual);
  EXPECT_EQ(blocks[20].cin, 192);
  EXPECT_EQ(blocks[20].cout, 320);
  EXPECT_EQ(blocks[20].size, 7);
}

TEST(SearchSpace, ImpossibleOptionsAreRefusedNamingTheKey) {
  const auto refused = [](const std::string& key, const std::function<void(SpaceOptions&)>& change) {
    SpaceOptions options = tiny_options();
    change(options);
    EXPECT_THAT(error_of(ErrorKind::usage, [&] { SearchSpace space(options); }), HasSubstr(key));
  };
  refused("input_size", [](auto& o) { o.input_size = 0; });
  refused("input_channels", [](auto& o) { o.input_channels = -1; });
  refused("classes", [](auto& o) { o.classes = 0; });
  refused("stem_width", [](auto& o) { o.stem_width = 0; });
  refused("stem_stride", [](auto& o) { o.stem_stride = 0; });
  refused("first_width", [](auto& o) { o.first_width = -1; });
  refused("head_width", [](auto& o) { o.head_width = 1 << 30; });
  refused("space.bits", [](auto& o) { o.bits = {}; });
  refused("space.bits", [](auto& o) { o.bits = {8, 4}; });
  refused("space.bits", [](auto& o) { o.bits = {4, 16}; });
  refused("space.stages", [](auto& o) { o.stages.clear(); });
  refused("stages[0].width", [](auto& o) { o.stages[0].width = 0; });
  refused("stages[0].stride", [](auto& o) { o.stages[0].stride = 0; });
  refused("stages[0].depths", [](auto& o) { o.stages[0].depths = {0, 1}; });
  refused("stages[0].depths", [](auto& o) { o.stages[0].depths = {2, 2}; });
  refused("stages[0].kernels", [](auto& o) { o.stages[0].kernels = {4}; });
  refused("min_expand", [](auto& o) { o.stages[0].min_expand = 3; });
  refused("min_expand", [](auto& o) { o.stages[0].min_expand = std::nan(""); });
  refused("stages[0] block 0 has 0 middle widths", [](auto& o) {
    o.stages[0].min_expand = 1.1;
    o.stages[0].max_expand = 1.2;
  });
  refused("forbid_k7_dw4", [](auto& o) {
    o.stages[0].kernels = {7};
    o.bits = {4};
  });
}

TEST(Sampling, GivesValidGenomesAndIsAFunctionOfTheStream) {
  SpaceOptions options = imagenet_options();
  options.forbid_k7_dw4 = true;
  const SearchSpace space(options);
  for (std::uint64_t i = 0; i < 200; ++i) {
    EXPECT_TRUE(space.valid(draw(space, i)));
    EXPECT_EQ(draw(space, i), draw(space, i));
  }
  EXPECT_NE(draw(space, 0), draw(space, 1));
}

TEST(Sampling, IsUniformOverDepthsAndOverTheValidGenesOfABlock) {
  const SearchSpace space(tiny_options());
  constexpr int draws = 40000;
  std::map<int, int> depths;
  std::map<BlockGenes, int> genes;
  for (int i = 0; i < draws; ++i) {
    const Genome g = draw(space, i);
    ++depths[space.depth(g, 0)];
    ++genes[g.blocks[1]];
  }
  // Five standard deviations of a binomial count.
  const auto near = [&](int count, double p) {
    EXPECT_NEAR(count, draws * p, 5 * std::sqrt(draws * p * (1 - p)));
  };
  near(depths[1], 0.5);
  ASSERT_EQ(genes.size(), 48u);
  for (const auto& [g, count] : genes) near(count, 1.0 / 48);
}

TEST(Sampling, RedrawingABlockTouchesOnlyItAndKeepsTheRules) {
  const SearchSpace space(tiny_options());
  RandomStream random(1, Purpose::test);
  const Genome before = space.largest();
  std::set<BlockGenes> seen;
  for (int i = 0; i < 2000; ++i) {
    Genome g = before;
    space.redraw_block(g, 1, random);
    EXPECT_EQ(g.depth, before.depth);
    EXPECT_EQ(g.blocks[0], before.blocks[0]);
    EXPECT_TRUE(space.valid(g));
    seen.insert(g.blocks[1]);
  }
  EXPECT_EQ(seen.size(), 48u);
}

TEST(Validity, LooksAtActiveBlocksOnly) {
  const SearchSpace space(tiny_options());
  Genome g = space.smallest();
  const BlockGenes k7_dw4{1, 0, {0, 0, 0, 0}};
  g.blocks[1] = k7_dw4;
  EXPECT_TRUE(space.valid(g));
  g.depth[0] = 1;
  EXPECT_FALSE(space.valid(g));
  g.blocks[1].bits[kDwActivation] = 1;
  EXPECT_TRUE(space.valid(g));
}

TEST(Validity, RefusesForeignShapesAndIndices) {
  const SearchSpace space(tiny_options());
  EXPECT_FALSE(space.valid(Genome{}));
  for (int gene = 0; gene < 4; ++gene) {
    Genome g = space.largest();
    if (gene == 0) g.depth[0] = 2;
    if (gene == 1) g.blocks[0].kernel = 2;
    if (gene == 2) g.blocks[0].width = 200;
    if (gene == 3) g.blocks[0].bits[kPwWeight] = 2;
    EXPECT_FALSE(space.valid(g)) << gene;
  }
}

TEST(Repair, ClipsIndicesAndRaisesTheFourBitGene) {
  const SearchSpace space(tiny_options());
  Genome g = space.smallest();
  g.depth[0] = 9;
  g.blocks[0] = {1, 77, {0, 0, 0, 0}};
  space.repair(g);
  EXPECT_TRUE(space.valid(g));
  EXPECT_EQ(g.depth[0], 1);
  EXPECT_EQ(g.blocks[0], (BlockGenes{1, 1, {0, 0, 0, 1}}));
}

TEST(Repair, LeavesKernelSevenWhereOnlyFourBitsExist) {
  SpaceOptions options = tiny_options();
  options.bits = {4};
  const SearchSpace space(options);
  const Genome g = space.largest();
  EXPECT_TRUE(space.valid(g));
  EXPECT_EQ(space.kernel(g, 0), 3);
}

TEST(Repair, MakesAnyBytesValidAndLeavesValidGenomesAlone) {
  const SearchSpace space(tiny_options());
  RandomStream random(3, Purpose::test);
  for (int i = 0; i < 500; ++i) {
    const auto byte = [&] { return static_cast<std::uint8_t>(random.below(256)); };
    Genome g;
    for (std::uint32_t n = random.below(4); n > 0; --n) g.depth.push_back(byte());
    for (std::uint32_t n = random.below(6); n > 0; --n)
      g.blocks.push_back({byte(), byte(), {byte(), byte(), byte(), byte()}});
    space.repair(g);
    EXPECT_TRUE(space.valid(g));
    const Genome sampled = draw(space, i);
    Genome repaired = sampled;
    space.repair(repaired);
    EXPECT_EQ(repaired, sampled);
  }
}

TEST(Encoding, OfASmallGenomeIsWhatPaperAndPencilGive) {
  const SearchSpace space(tiny_options());
  // Slots: kernels 0-1, 2-3; widths 4-5, 6-7; then four bit groups of 2 blocks x 2 choices from 8 on.
  EXPECT_EQ(space.architecture_slots(), 8);
  EXPECT_EQ(space.bit_slots(), 16);
  Genome g = space.largest();
  g.blocks[0] = {0, 1, {0, 1, 0, 1}};
  g.blocks[1] = {1, 0, {1, 1, 0, 1}};
  std::vector<std::int32_t> slots{99};
  space.encode(g, false, slots);
  EXPECT_THAT(slots, ElementsAre(0, 3, 5, 6));
  space.encode(g, true, slots);
  EXPECT_THAT(slots, ElementsAre(0, 3, 5, 6, 8, 11, 13, 15, 16, 18, 21, 23));
  g.depth[0] = 0;
  space.encode(g, true, slots);
  EXPECT_THAT(slots, ElementsAre(0, 5, 8, 13, 16, 21));
}

TEST(Encoding, IsAscendingAndHasSixOnesPerActiveBlock) {
  const SearchSpace space(imagenet_options());
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Genome g = draw(space, i);
    std::vector<std::int32_t> slots;
    space.encode(g, true, slots);
    EXPECT_EQ(slots.size(), 6u * space.active_blocks(g));
    EXPECT_TRUE(std::is_sorted(slots.begin(), slots.end()));
    EXPECT_LT(slots.back(), space.slots());
    EXPECT_LT(slots[2 * space.active_blocks(g) - 1], space.architecture_slots());
    EXPECT_GE(slots[2 * space.active_blocks(g)], space.architecture_slots());
  }
}

TEST(Genome, InactiveBlocksChangeNothingAndActiveGenesChangeEverything) {
  const SearchSpace space(imagenet_options());
  for (std::uint64_t i = 0; i < 200; ++i) {
    const Genome g = draw(space, i);
    RandomStream random(11, Purpose::test, i);
    const int block = static_cast<int>(random.below(21));
    Genome h = g;
    while (h.blocks[block] == g.blocks[block]) space.redraw_block(h, block, random);
    std::vector<std::int32_t> a, b;
    space.encode(g, true, a);
    space.encode(h, true, b);
    const bool same = !space.active(g, block);
    EXPECT_EQ(a == b, same);
    EXPECT_EQ(space.hash(g) == space.hash(h), same);
    EXPECT_EQ(space.to_text(g) == space.to_text(h), same);
    EXPECT_EQ(space.canonical(g) == space.canonical(h), same);
    EXPECT_EQ(space.expand(g).size(), space.expand(h).size());
  }
}

TEST(Genome, FlippingOneBitGeneMovesExactlyOneSlot) {
  const SearchSpace space(tiny_options());
  const Genome g = space.largest();
  std::vector<std::int32_t> before, after;
  space.encode(g, true, before);
  for (int gene = 0; gene < 3; ++gene) {
    Genome h = g;
    h.blocks[1].bits[gene] = 0;
    space.encode(h, true, after);
    int differing = 0;
    for (std::size_t i = 0; i < before.size(); ++i) differing += before[i] != after[i];
    EXPECT_EQ(differing, 1);
  }
}

TEST(Genome, LargestSmallestAndUniformBitsAreWhatTheySay) {
  const SearchSpace space(imagenet_options());
  EXPECT_EQ(space.active_blocks(space.largest()), 21);
  EXPECT_EQ(space.active_blocks(space.smallest()), 11);
  EXPECT_EQ(space.width(space.largest(), 20), 6 * 192);
  EXPECT_EQ(space.width(space.smallest(), 20), 4 * 192);
  EXPECT_EQ(space.kernel(space.largest(), 3), 7);
  EXPECT_EQ(space.bits(space.smallest(), 0, kDwWeight), 4);
  const Genome g = space.with_uniform_bits(space.largest(), 6);
  for (int gene = 0; gene < kBitGenes; ++gene) EXPECT_EQ(space.bits(g, 20, static_cast<BitGene>(gene)), 6);
  EXPECT_EQ(space.kernel(g, 3), 7);
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { space.with_uniform_bits(g, 5); }), HasSubstr("4, 6, 8"));
}

TEST(SearchSpace, DescribesItselfInOneLineThatTellsSpacesApart) {
  const SpaceOptions base = imagenet_options();
  std::set<std::string> texts;
  const auto add = [&](const std::function<void(SpaceOptions&)>& change) {
    SpaceOptions options = base;
    change(options);
    const std::string text = SearchSpace(options).describe();
    EXPECT_EQ(text, SearchSpace(options).describe());
    EXPECT_EQ(text.find('\n'), std::string::npos);
    EXPECT_TRUE(texts.insert(text).second) << text;
  };
  add([](auto&) {});
  add([](auto& o) { o.input_size = 192; });
  add([](auto& o) { o.input_channels = 1; });
  add([](auto& o) { o.classes = 10; });
  add([](auto& o) { o.stem_width = 24; });
  add([](auto& o) { o.stem_stride = 1; });
  add([](auto& o) { o.first_width = 0; });
  add([](auto& o) { o.head_width = 640; });
  add([](auto& o) { o.bits = {4, 8}; });
  add([](auto& o) { o.forbid_k7_dw4 = true; });
  add([](auto& o) { o.stages[2].width = 88; });
  add([](auto& o) { o.stages[2].stride = 1; });
  add([](auto& o) { o.stages[2].depths = {3, 4}; });
  add([](auto& o) { o.stages[2].kernels = {3, 5}; });
  add([](auto& o) { o.stages[2].min_expand = 3; });
  add([](auto& o) { o.stages[2].max_expand = 5.5; });
}

}  // namespace
}  // namespace apq::space
