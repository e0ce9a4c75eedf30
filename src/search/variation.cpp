// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "search/variation.hpp"

#include <algorithm>
#include <cstddef>

namespace apq::search {
namespace {

/// Fair coins, 32 from a word.
class Coins {
 public:
  explicit Coins(RandomStream& random) : random_(&random) {}
  bool flip() {
    if (left_ == 0) {
      bits_ = random_->next();
      left_ = 32;
    }
    --left_;
    return (bits_ >> left_ & 1) != 0;
  }

 private:
  RandomStream* random_;
  std::uint32_t bits_ = 0;
  int left_ = 0;
};

int block_count(const space::SearchSpace& space) { return static_cast<int>(space.blocks().size()); }

}  // namespace

void mutate(const space::SearchSpace& space, const space::Genome& parent, double rate, RandomStream& random,
            space::Genome& child) {
  child = parent;
  for (int s = 0; s < space.stages(); ++s)
    if (random.chance(rate)) {
      const auto choices = static_cast<std::uint32_t>(space.options().stages[s].depths.size());
      child.depth[s] = static_cast<std::uint8_t>(random.below(choices));
    }
  int block = 0;
  for (int s = 0; s < space.stages(); ++s) {
    const int before = space.depth(parent, s), now = space.depth(child, s);
    for (int i = 0; i < space.most_blocks(s); ++i, ++block) {
      const bool mutates = random.chance(rate), switched_on = before <= i && i < now;
      if (mutates || switched_on) space.redraw_block(child, block, random);
    }
  }
  space.canonicalise(child);
}

void crossover(const space::SearchSpace& space, const space::Genome& a, const space::Genome& b,
               RandomStream& random, space::Genome& child) {
  child = a;
  Coins coins(random);
  for (int s = 0; s < space.stages(); ++s)
    if (coins.flip()) child.depth[s] = b.depth[s];
  std::size_t block = 0;
  for (int s = 0; s < space.stages(); ++s) {
    const int on_in_a = space.depth(a, s), on_in_both = std::min(on_in_a, space.depth(b, s));
    for (int i = 0; i < space.most_blocks(s); ++i, ++block) {
      // Looked up, not branched on: nobody predicts a coin.
      const space::BlockGenes* const genes[] = {&a.blocks[block], &b.blocks[block]};
      child.blocks[block] = *genes[i < on_in_both ? coins.flip() : i >= on_in_a];
    }
  }
  space.canonicalise(child);
}

space::Genome move_towards(const space::SearchSpace& space, space::Genome genome, const space::Genome& target,
                           const std::function<bool(const space::Genome&)>& fits, RandomStream& random) {
  const std::size_t stages = genome.depth.size();
  space.canonicalise(genome);
  if (fits(genome)) return genome;
  for (const std::uint32_t move : random.permutation(stages + genome.blocks.size())) {
    if (move >= stages) {
      const std::size_t block = move - stages;
      if (!space.active(genome, static_cast<int>(block)) || !space.active(target, static_cast<int>(block)))
        continue;
      genome.blocks[block] = target.blocks[block];
    } else {
      const int before = space.depth(genome, static_cast<int>(move));
      genome.depth[move] = target.depth[move];
      for (int b = 0; b < block_count(space); ++b)
        if (space.blocks()[b].stage == static_cast<int>(move) && space.blocks()[b].index >= before &&
            space.active(genome, b))
          genome.blocks[b] = target.blocks[b];
      space.canonicalise(genome);
    }
    if (fits(genome)) return genome;
  }
  return genome;
}

}  // namespace apq::search
