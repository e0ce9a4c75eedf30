// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace apq::space {

/// The four bit genes of a block (APQ 2006.08509, section 3: pointwise and depthwise, weights and
/// activations).
enum BitGene { kPwWeight = 0, kPwActivation = 1, kDwWeight = 2, kDwActivation = 3, kBitGenes = 4 };

/// Genes of one MBConv block, as indices into the choices the space offers for that block.
struct BlockGenes {
  std::uint8_t kernel = 0;
  std::uint8_t width = 0;
  std::array<std::uint8_t, kBitGenes> bits{};
  auto operator<=>(const BlockGenes&) const = default;
};

/// One point of the search space: per stage an index into its depth choices, per block (active or not) its
/// genes. Plain data; SearchSpace gives it meaning. Two genomes are the same network when their canonical
/// forms (SearchSpace::canonical) are equal.
struct Genome {
  std::vector<std::uint8_t> depth;
  std::vector<BlockGenes> blocks;
  auto operator<=>(const Genome&) const = default;
};

}  // namespace apq::space
