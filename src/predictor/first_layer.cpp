// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "predictor/first_layer.hpp"

namespace apq::predictor {

using space::kDwActivation;
using space::kDwWeight;
using space::kPwActivation;
using space::kPwWeight;

FirstLayer::FirstLayer(const space::SearchSpace& space, bool with_bits)
    : space_(&space),
      with_bits_(with_bits),
      bits_(with_bits ? static_cast<int>(space.options().bits.size()) : 1) {
  for (const auto& choices : space.blocks()) {
    Block block;
    block.width = rows_;
    block.kernel = block.width + static_cast<std::int32_t>(choices.widths.size());
    block.pointwise = block.kernel + static_cast<std::int32_t>(choices.kernels.size()) * bits_ * bits_;
    rows_ = block.pointwise + (with_bits ? bits_ * bits_ : 0);
    blocks_.push_back(block);
  }
}

std::vector<float> FirstLayer::table(std::span<const float> one_hot, int hidden) const {
  const auto n = static_cast<std::size_t>(hidden);
  std::vector<float> table(static_cast<std::size_t>(rows_) * n, 0.0f);
  const auto add = [&](std::int32_t row, int slot) {
    for (std::size_t i = 0; i < n; ++i)
      table[static_cast<std::size_t>(row) * n + i] += one_hot[static_cast<std::size_t>(slot) * n + i];
  };
  const auto& choices = space_->blocks();
  const int count = static_cast<int>(choices.size());
  const auto bit_slot = [&](int gene, int block, int index) {
    return space_->architecture_slots() + (gene * count + block) * bits_ + index;
  };
  int slot = 0;  // kernels of all blocks, then widths of all blocks, then bits by gene and block
  for (int b = 0; b < count; ++b)
    for (int k = 0; k < static_cast<int>(choices[b].kernels.size()); ++k, ++slot)
      for (int w = 0; w < bits_; ++w)
        for (int a = 0; a < bits_; ++a) {
          const std::int32_t row = blocks_[b].kernel + (k * bits_ + w) * bits_ + a;
          add(row, slot);
          if (!with_bits_) continue;
          add(row, bit_slot(kDwWeight, b, w));
          add(row, bit_slot(kDwActivation, b, a));
        }
  for (int b = 0; b < count; ++b)
    for (int w = 0; w < static_cast<int>(choices[b].widths.size()); ++w) add(blocks_[b].width + w, slot++);
  for (int b = 0; b < count && with_bits_; ++b)
    for (int w = 0; w < bits_; ++w)
      for (int a = 0; a < bits_; ++a) {
        add(blocks_[b].pointwise + w * bits_ + a, bit_slot(kPwWeight, b, w));
        add(blocks_[b].pointwise + w * bits_ + a, bit_slot(kPwActivation, b, a));
      }
  return table;
}

void FirstLayer::pick(const space::Genome& genome, nn::Picks& picks) const {
  space_->for_each_active(genome, [&](int b) {
    const space::BlockGenes& genes = genome.blocks[b];
    picks.rows.push_back(blocks_[b].width + genes.width);
    if (!with_bits_) {
      picks.rows.push_back(blocks_[b].kernel + genes.kernel);
      return;
    }
    picks.rows.push_back(blocks_[b].kernel + (genes.kernel * bits_ + genes.bits[kDwWeight]) * bits_ +
                         genes.bits[kDwActivation]);
    picks.rows.push_back(blocks_[b].pointwise + genes.bits[kPwWeight] * bits_ + genes.bits[kPwActivation]);
  });
  picks.end_input();
}

}  // namespace apq::predictor
