// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "apq/nn/mlp.hpp"
#include "apq/space/search_space.hpp"

namespace apq::predictor {

/// The first layer for inference. Rows of the one-hot layer are added up beforehand where genes go together:
/// per block one row for each width, one for each (kernel, depthwise bits) and one for each pair of pointwise
/// bits, so that an active block picks three rows instead of six.
class FirstLayer {
 public:
  FirstLayer(const space::SearchSpace& space, bool with_bits);

  /// The table of summed rows, [rows][hidden], from the one-hot layer's rows, [slots][hidden].
  std::vector<float> table(std::span<const float> one_hot, int hidden) const;
  /// Adds the rows of a genome as one input.
  void pick(const space::Genome& genome, nn::Picks& picks) const;

 private:
  struct Block {
    std::int32_t width = 0, kernel = 0, pointwise = 0;  ///< first row of each kind
  };

  const space::SearchSpace* space_;
  bool with_bits_;
  int bits_;  ///< choices of a bit gene; 1 when bits are not seen
  std::vector<Block> blocks_;
  std::int32_t rows_ = 0;
};

}  // namespace apq::predictor
