// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apq/core/random.hpp"
#include "apq/space/genome.hpp"
#include "apq/space/layer_spec.hpp"

namespace apq::space {

struct StageOptions {
  int width = 24;                     ///< output channels
  int stride = 2;                     ///< of the first block
  std::vector<int> depths{2, 3, 4};   ///< numbers of active blocks to choose from, ascending
  std::vector<int> kernels{3, 5, 7};  ///< ascending, odd
  double min_expand = 4;              ///< smallest middle width / Cin
  double max_expand = 6;              ///< largest middle width / Cin
};

struct SpaceOptions {
  int input_size = 28;  ///< pixels, square
  int input_channels = 1;
  int classes = 10;
  int stem_width = 16;
  int stem_stride = 1;
  int first_width = 0;  ///< fixed block without expansion after the stem; 0 = none
  std::vector<StageOptions> stages{};
  int head_width = 128;            ///< 1x1 convolution before pooling
  std::vector<int> bits{4, 6, 8};  ///< choices of every bit gene, ascending, 2 to 8
  bool forbid_k7_dw4 = false;      ///< the public code's rule: no kernel 7 with 4-bit depthwise input
};

/// The space of the paper's ImageNet experiments, as in the public code.
SpaceOptions paper_space();

/// The space of APQ section 3: per stage a depth, per block a kernel, a middle width on a multiple-of-8 grid
/// (the channel pruning) and four bit genes. Validity, encoding and expansion look at active blocks only.
class SearchSpace {
 public:
  /// Throws Error(usage) naming the key for an impossible space.
  explicit SearchSpace(const SpaceOptions& options);
  const SpaceOptions& options() const { return options_; }

  struct BlockChoices {
    int stage = 0;
    int index = 0;  ///< within the stage
    int cin = 0, cout = 0, size = 0, stride = 1;
    bool residual = false;  ///< stride 1 and cin == cout
    std::vector<int> kernels;
    std::vector<int> widths;  ///< middle channels, multiples of 8, ascending
  };
  const std::vector<BlockChoices>& blocks() const { return blocks_; }
  int stages() const { return static_cast<int>(options_.stages.size()); }

  int most_blocks(int stage) const { return options_.stages[stage].depths.back(); }
  int depth(const Genome& g, int stage) const { return options_.stages[stage].depths[g.depth[stage]]; }
  bool active(const Genome& g, int block) const {
    return blocks_[block].index < depth(g, blocks_[block].stage);
  }
  /// Calls visit(block) for the active blocks, first to last.
  template <class Visit>
  void for_each_active(const Genome& g, Visit visit) const {
    for (int s = 0; s < stages(); ++s)
      for (int b = first_block_of_stage_[s], end = b + depth(g, s); b < end; ++b) visit(b);
  }
  int active_blocks(const Genome& g) const;
  int kernel(const Genome& g, int block) const;
  int width(const Genome& g, int block) const;
  int bits(const Genome& g, int block, BitGene gene) const;

  bool valid(const Genome& g) const;
  /// One block's genes alone: indices in range and no rule broken.
  bool block_valid(int block, const BlockGenes& genes) const;
  /// Uniform over depth choices and over the genes; redraws the genes of a block that breaks a rule.
  Genome sample(RandomStream& random) const;
  /// Redraws all genes of one block at random (kernel, width, bits together), respecting the rules.
  void redraw_block(Genome& g, int block, RandomStream& random) const;
  /// The nearest valid genome: indices clipped, rules repaired by raising the 4-bit gene,
  /// or by leaving kernel 7 where the space has no more bits. Inactive blocks too.
  void repair(Genome& g) const;
  /// Inactive blocks set to index 0: equal networks have equal canonical genomes.
  Genome canonical(const Genome& g) const;
  void canonicalise(Genome& g) const;         ///< the same in place
  std::uint64_t hash(const Genome& g) const;  ///< of the canonical form
  Genome largest() const;                     ///< most blocks, largest kernels and widths, most bits
  Genome smallest() const;
  /// Same architecture, every bit gene at `bits` (must be a choice).
  Genome with_uniform_bits(Genome g, int bits) const;

  /// Layers first to last: stem (8-bit), optional first block (8-bit), active blocks, head and classifier
  /// (8-bit).
  NetworkSpec expand(const Genome& g) const;
  /// Expand, depthwise and project layer of one block with these genes.
  std::array<LayerSpec, 3> block_layers(int block, const BlockGenes& genes) const;

  /// Slots of the one-hot encoding (APQ section 3.2): all kernels, all widths, then pointwise weights,
  /// pointwise activations, depthwise weights, depthwise activations. Inactive blocks are all zero.
  int architecture_slots() const { return architecture_slots_; }
  int bit_slots() const { return bit_slots_; }
  int slots() const { return architecture_slots_ + bit_slots_; }
  /// The slots that are one, ascending; `with_bits` adds the bit slots. Architecture slots come first.
  void encode(const Genome& g, bool with_bits, std::vector<std::int32_t>& slots) const;

  /// Active blocks as text without comma or blank, e.g. "k3w96p8.8d4.6+k5w144p8.8d8.8|k3w...": blocks joined
  /// by
  /// '+', stages by '|'; p = pointwise weight.activation bits, d = depthwise. Equal networks, equal text.
  std::string to_text(const Genome& g) const;
  /// Throws Error(data) saying what is wrong and what the space allows.
  Genome from_text(std::string_view text) const;

  /// Number of different networks, base-10 logarithm.
  double log10_size() const;
  /// Canonical one-line description; equal spaces, equal text. Used in fingerprints.
  std::string describe() const;

 private:
  bool breaks_rule(int kernel, int dw_activation_bits) const;

  SpaceOptions options_;
  std::vector<BlockChoices> blocks_;
  std::vector<int> first_block_of_stage_;
  std::vector<int> kernel_slot_, width_slot_;  ///< first slot of each block
  int architecture_slots_ = 0;
  int bit_slots_ = 0;
};

}  // namespace apq::space
