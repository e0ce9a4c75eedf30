// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "apq/core/hash.hpp"
#include "apq/space/genome.hpp"

namespace apq::search {

/// 128 bits that stand for a canonical genome: no two of all that are ever drawn share them.
using GenomeKey = Hash128;

inline GenomeKey key_of(const space::Genome& canonical) {
  static_assert(sizeof(space::BlockGenes) == 2 + space::kBitGenes, "blocks are hashed as bytes");
  const auto blocks = std::as_bytes(std::span(canonical.blocks));
  return hash128(blocks, hash_bytes(std::as_bytes(std::span(canonical.depth))));
}

/// A set of genomes without an allocation per genome: open addressing, at most half full.
class GenomeSet {
 public:
  explicit GenomeSet(std::size_t expected) : slots_(std::bit_ceil(2 * expected + 2)) {}
  /// False when it was there already.
  bool insert(const space::Genome& canonical) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    const bool added = place(slots_, key_of(canonical));
    size_ += added;
    return added;
  }

 private:
  static bool place(std::vector<GenomeKey>& slots, const GenomeKey& key) {
    std::size_t at = key.low & (slots.size() - 1);
    for (; slots[at] != GenomeKey{}; at = (at + 1) & (slots.size() - 1))
      if (slots[at] == key) return false;
    slots[at] = key;
    return true;
  }
  void grow() {
    std::vector<GenomeKey> larger(2 * slots_.size());
    for (const GenomeKey& key : slots_)
      if (key != GenomeKey{}) place(larger, key);
    slots_ = std::move(larger);
  }

  std::vector<GenomeKey> slots_;  ///< all zero: free
  std::size_t size_ = 0;
};

}  // namespace apq::search
