// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/space/search_space.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "apq/core/error.hpp"
#include "apq/core/hash.hpp"
#include "space/check_options.hpp"

namespace apq::space {
namespace {

constexpr int kWidthGrid = 8;

/// Multiples of 8 between both expansions; the margin keeps 5.3 x 40 = 212 in.
std::vector<int> width_choices(const StageOptions& stage, int cin) {
  constexpr double margin = 1e-9;
  const int first = static_cast<int>(std::ceil(stage.min_expand * cin / kWidthGrid - margin));
  const int last = static_cast<int>(std::floor(stage.max_expand * cin / kWidthGrid + margin));
  std::vector<int> widths;
  for (int i = std::max(first, 1); i <= last; ++i) widths.push_back(i * kWidthGrid);
  return widths;
}

int ceil_div(int a, int b) { return (a + b - 1) / b; }

std::uint8_t clip(std::uint8_t index, std::size_t choices) {
  return static_cast<std::uint8_t>(std::min<std::size_t>(index, choices - 1));
}

std::uint8_t draw(std::size_t choices, RandomStream& random) {
  return static_cast<std::uint8_t>(random.below(static_cast<std::uint32_t>(choices)));
}

}  // namespace

SpaceOptions paper_space() {
  SpaceOptions o;
  o.input_size = 224;
  o.input_channels = 3;
  o.classes = 1000;
  o.stem_width = 32;
  o.stem_stride = 2;
  o.first_width = 16;
  const std::vector<int> all{2, 3, 4};
  for (const auto& [width, stride] : {std::pair{24, 2}, {40, 2}, {80, 2}, {96, 1}, {192, 2}})
    o.stages.push_back({.width = width, .stride = stride, .depths = all});
  o.stages.push_back({.width = 320, .stride = 1, .depths = {1}});
  o.head_width = 1280;
  o.forbid_k7_dw4 = true;
  return o;
}

SearchSpace::SearchSpace(const SpaceOptions& options) : options_(options) {
  check_options(options_);
  int cin = options_.first_width > 0 ? options_.first_width : options_.stem_width;
  int size = ceil_div(options_.input_size, options_.stem_stride);
  for (int s = 0; s < stages(); ++s) {
    const StageOptions& stage = options_.stages[s];
    first_block_of_stage_.push_back(static_cast<int>(blocks_.size()));
    for (int index = 0; index < stage.depths.back(); ++index) {
      BlockChoices block;
      block.stage = s;
      block.index = index;
      block.cin = cin;
      block.cout = stage.width;
      block.size = size;
      block.stride = index == 0 ? stage.stride : 1;
      block.residual = block.stride == 1 && block.cin == block.cout;
      block.kernels = stage.kernels;
      block.widths = width_choices(stage, cin);
      validate(
          !block.widths.empty() && block.widths.size() <= 256, ErrorKind::usage,
          "space.stages[{}] block {} has {} middle widths (multiples of 8 from {} x {} to {} x {} channels) "
          "change min_expand or max_expand so that there are 1 to 256",
          s, index, block.widths.size(), stage.min_expand, cin, stage.max_expand, cin);
      cin = stage.width;
      size = ceil_div(size, block.stride);
      blocks_.push_back(std::move(block));
    }
    validate(!options_.forbid_k7_dw4 || stage.kernels != std::vector{7} || options_.bits.back() > 4,
             ErrorKind::usage,
             "space.stages[{}] has no valid block (forbid_k7_dw4, yet kernels = [7] and no bits above 4) "
             "offer another kernel or more bits",
             s);
  }
  for (const BlockChoices& block : blocks_) {
    kernel_slot_.push_back(architecture_slots_);
    architecture_slots_ += static_cast<int>(block.kernels.size());
  }
  for (const BlockChoices& block : blocks_) {
    width_slot_.push_back(architecture_slots_);
    architecture_slots_ += static_cast<int>(block.widths.size());
  }
  bit_slots_ = static_cast<int>(kBitGenes * blocks_.size() * options_.bits.size());
}

int SearchSpace::active_blocks(const Genome& g) const {
  int total = 0;
  for (int s = 0; s < stages(); ++s) total += depth(g, s);
  return total;
}

int SearchSpace::kernel(const Genome& g, int block) const {
  return blocks_[block].kernels[g.blocks[block].kernel];
}
int SearchSpace::width(const Genome& g, int block) const {
  return blocks_[block].widths[g.blocks[block].width];
}
int SearchSpace::bits(const Genome& g, int block, BitGene gene) const {
  return options_.bits[g.blocks[block].bits[gene]];
}

bool SearchSpace::breaks_rule(int kernel, int dw_activation_bits) const {
  return options_.forbid_k7_dw4 && kernel == 7 && dw_activation_bits <= 4;
}

bool SearchSpace::block_valid(int block, const BlockGenes& genes) const {
  const BlockChoices& choices = blocks_[block];
  if (genes.kernel >= choices.kernels.size() || genes.width >= choices.widths.size()) return false;
  for (auto bits : genes.bits)
    if (bits >= options_.bits.size()) return false;
  return !breaks_rule(choices.kernels[genes.kernel], options_.bits[genes.bits[kDwActivation]]);
}

bool SearchSpace::valid(const Genome& g) const {
  if (g.depth.size() != options_.stages.size() || g.blocks.size() != blocks_.size()) return false;
  for (int s = 0; s < stages(); ++s)
    if (g.depth[s] >= options_.stages[s].depths.size()) return false;
  for (int b = 0; b < static_cast<int>(blocks_.size()); ++b)
    if (active(g, b) && !block_valid(b, g.blocks[b])) return false;
  return true;
}

Genome SearchSpace::sample(RandomStream& random) const {
  Genome g = smallest();
  for (int s = 0; s < stages(); ++s) g.depth[s] = draw(options_.stages[s].depths.size(), random);
  for (int b = 0; b < static_cast<int>(blocks_.size()); ++b) redraw_block(g, b, random);
  return g;
}

void SearchSpace::redraw_block(Genome& g, int block, RandomStream& random) const {
  BlockGenes& genes = g.blocks[block];
  do {
    genes.kernel = draw(blocks_[block].kernels.size(), random);
    genes.width = draw(blocks_[block].widths.size(), random);
    for (auto& bits : genes.bits) bits = draw(options_.bits.size(), random);
  } while (!block_valid(block, genes));
}

void SearchSpace::repair(Genome& g) const {
  g.depth.resize(options_.stages.size());
  g.blocks.resize(blocks_.size());
  for (int s = 0; s < stages(); ++s) g.depth[s] = clip(g.depth[s], options_.stages[s].depths.size());
  for (int b = 0; b < static_cast<int>(blocks_.size()); ++b) {
    BlockGenes& genes = g.blocks[b];
    genes.kernel = clip(genes.kernel, blocks_[b].kernels.size());
    genes.width = clip(genes.width, blocks_[b].widths.size());
    for (auto& bits : genes.bits) bits = clip(bits, options_.bits.size());
    auto& dw = genes.bits[kDwActivation];
    while (!block_valid(b, genes) && dw + 1u < options_.bits.size()) ++dw;
    if (!block_valid(b, genes)) genes.kernel += genes.kernel > 0 ? -1 : 1;  // no bits above 4: leave kernel 7
  }
}

Genome SearchSpace::canonical(const Genome& g) const {
  Genome result = g;
  canonicalise(result);
  return result;
}

void SearchSpace::canonicalise(Genome& g) const {
  for (int s = 0; s < stages(); ++s) {
    const auto first = g.blocks.begin() + first_block_of_stage_[s];
    std::fill(first + depth(g, s), first + most_blocks(s), BlockGenes{});
  }
}

std::uint64_t SearchSpace::hash(const Genome& g) const {
  const Genome c = canonical(g);
  std::vector<std::uint8_t> bytes(c.depth);
  for (const BlockGenes& genes : c.blocks) {
    bytes.push_back(genes.kernel);
    bytes.push_back(genes.width);
    bytes.insert(bytes.end(), genes.bits.begin(), genes.bits.end());
  }
  return hash_bytes(std::as_bytes(std::span(bytes)));
}

Genome SearchSpace::largest() const {
  Genome g;
  g.depth.assign(options_.stages.size(), 255);
  BlockGenes most{255, 255, {255, 255, 255, 255}};
  g.blocks.assign(blocks_.size(), most);
  repair(g);
  return g;
}

Genome SearchSpace::smallest() const {
  Genome g;
  repair(g);
  return g;
}

Genome SearchSpace::with_uniform_bits(Genome g, int bits) const {
  const auto found = std::find(options_.bits.begin(), options_.bits.end(), bits);
  validate(found != options_.bits.end(), ErrorKind::usage,
           "{} bits are no choice of this space (space.bits = [{}]) use one of these", bits,
           fmt::join(options_.bits, ", "));
  const auto index = static_cast<std::uint8_t>(found - options_.bits.begin());
  for (BlockGenes& genes : g.blocks) genes.bits.fill(index);
  return g;
}

void SearchSpace::encode(const Genome& g, bool with_bits, std::vector<std::int32_t>& slots) const {
  slots.clear();
  const int blocks = static_cast<int>(blocks_.size());
  for_each_active(g, [&](int b) { slots.push_back(kernel_slot_[b] + g.blocks[b].kernel); });
  for_each_active(g, [&](int b) { slots.push_back(width_slot_[b] + g.blocks[b].width); });
  if (!with_bits) return;
  const int choices = static_cast<int>(options_.bits.size());
  for (int gene = 0; gene < kBitGenes; ++gene)
    for_each_active(g, [&](int b) {
      slots.push_back(architecture_slots_ + (gene * blocks + b) * choices + g.blocks[b].bits[gene]);
    });
}

double SearchSpace::log10_size() const {
  const auto low_bits = std::count_if(options_.bits.begin(), options_.bits.end(),
                                      [&](int bits) { return breaks_rule(7, bits); });
  const double bits = static_cast<double>(options_.bits.size());
  double total = 0;
  for (int s = 0; s < stages(); ++s) {
    const auto& depths = options_.stages[s].depths;
    double networks = 0, of_this_depth = 1;
    for (int index = 0; index < depths.back(); ++index) {
      const BlockChoices& block = blocks_[first_block_of_stage_[s] + index];
      double pairs = static_cast<double>(block.kernels.size()) * bits;  // kernel and depthwise input bits
      if (std::count(block.kernels.begin(), block.kernels.end(), 7)) pairs -= static_cast<double>(low_bits);
      of_this_depth *= pairs * std::pow(bits, 3) * static_cast<double>(block.widths.size());
      if (std::count(depths.begin(), depths.end(), index + 1)) networks += of_this_depth;
    }
    total += std::log10(networks);
  }
  return total;
}

std::string SearchSpace::describe() const {
  const SpaceOptions& o = options_;
  std::string text = fmt::format("input {}x{} classes {} stem {}/{} first {}", o.input_size, o.input_channels,
                                 o.classes, o.stem_width, o.stem_stride, o.first_width);
  for (const StageOptions& stage : o.stages)
    text += fmt::format(" | {}/{} d{} k{} e{}-{}", stage.width, stage.stride, fmt::join(stage.depths, ","),
                        fmt::join(stage.kernels, ","), stage.min_expand, stage.max_expand);
  return text + fmt::format(" | head {} bits {}{}", o.head_width, fmt::join(o.bits, ","),
                            o.forbid_k7_dw4 ? " forbid_k7_dw4" : "");
}

}  // namespace apq::space
