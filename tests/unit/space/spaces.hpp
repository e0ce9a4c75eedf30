// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include "apq/space/search_space.hpp"

namespace apq::space::testing {

/// The space of the paper's ImageNet experiments.
inline SpaceOptions imagenet_options() {
  SpaceOptions options;
  options.input_size = 224;
  options.input_channels = 3;
  options.classes = 1000;
  options.stem_width = 32;
  options.stem_stride = 2;
  options.first_width = 16;
  const auto stage = [](int width, int stride, std::vector<int> depths) {
    StageOptions s;
    s.width = width;
    s.stride = stride;
    s.depths = std::move(depths);
    return s;
  };
  options.stages = {stage(24, 2, {2, 3, 4}), stage(40, 2, {2, 3, 4}),  stage(80, 2, {2, 3, 4}),
                    stage(96, 1, {2, 3, 4}), stage(192, 2, {2, 3, 4}), stage(320, 1, {1})};
  options.head_width = 1280;
  return options;
}

/// One stage of one or two blocks, two kernels, two widths, two bit choices: small enough to enumerate.
inline SpaceOptions tiny_options() {
  SpaceOptions options;
  options.input_size = 8;
  options.stem_width = 8;
  options.head_width = 16;
  options.bits = {4, 8};
  options.forbid_k7_dw4 = true;
  StageOptions stage;
  stage.width = 8;
  stage.stride = 1;
  stage.depths = {1, 2};
  stage.kernels = {3, 7};
  stage.min_expand = 1;
  stage.max_expand = 2;
  options.stages = {stage};
  return options;
}

/// Every genome of a space whose genes all lie in small ranges, valid or not, active blocks or not.
template <class Visit>
void for_each_genome(const SearchSpace& space, Visit visit) {
  const auto run = [&](auto&& self, Genome& g, std::size_t gene) -> void {
    const std::size_t stages = space.options().stages.size();
    std::uint8_t* value = nullptr;
    std::size_t choices = 0;
    if (gene < stages) {
      value = &g.depth[gene];
      choices = space.options().stages[gene].depths.size();
    } else {
      const std::size_t block = (gene - stages) / 6, place = (gene - stages) % 6;
      if (block == space.blocks().size()) return visit(static_cast<const Genome&>(g));
      BlockGenes& genes = g.blocks[block];
      value = place == 0 ? &genes.kernel : place == 1 ? &genes.width : &genes.bits[place - 2];
      choices = place == 0   ? space.blocks()[block].kernels.size()
                : place == 1 ? space.blocks()[block].widths.size()
                             : space.options().bits.size();
    }
    for (std::size_t i = 0; i < choices; ++i) {
      *value = static_cast<std::uint8_t>(i);
      self(self, g, gene + 1);
    }
  };
  Genome g = space.smallest();
  run(run, g, 0);
}

}  // namespace apq::space::testing
