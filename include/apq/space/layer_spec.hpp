// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace apq::space {

enum class LayerKind { dense, pointwise, depthwise, linear };
enum class LayerRole { stem, expand, depthwise, project, head, classifier };
inline constexpr int kLayerRoles = 6;
const char* role_name(LayerRole role);

/// One layer of a concrete network, with everything a cost model or an engine needs.
/// Feature maps are square; padding is kernel / 2.
struct LayerSpec {
  LayerKind kind = LayerKind::pointwise;
  LayerRole role = LayerRole::expand;
  int block = -1;  ///< index of the searchable block in the space, -1 for fixed layers
  int cin = 0;
  int cout = 0;
  int size = 0;  ///< input height and width
  int kernel = 1;
  int stride = 1;
  int weight_bits = 8;
  int activation_bits = 8;  ///< bits of the layer's input
  bool signed_input = false;
  bool relu6 = false;     ///< activation after the layer (and its normalisation)
  bool residual = false;  ///< the block's input is added to this layer's output
  /// Bits of a value as it lies in memory: between the layers of a block as the reader wants it, between
  /// blocks and before pooling on the 16-bit stream of the integer executor.
  int input_memory_bits = 8;
  int output_memory_bits = 8;
  std::int64_t kept_values = 0;  ///< of the stream, for a residual connection, beside input and output

  int groups() const { return kind == LayerKind::depthwise ? cin : 1; }
  int size_out() const { return (size + stride - 1) / stride; }
  std::int64_t macs() const {
    const std::int64_t pixels = std::int64_t{size_out()} * size_out();
    return pixels * kernel * kernel * cout * (kind == LayerKind::depthwise ? 1 : cin);
  }
  std::int64_t weights() const {
    return std::int64_t{kernel} * kernel * cout * (kind == LayerKind::depthwise ? 1 : cin);
  }
  /// What lies in memory while the layer runs: input, output, and what a residual connection will read.
  std::int64_t activation_memory_bits() const {
    return std::int64_t{size} * size * cin * input_memory_bits +
           std::int64_t{size_out()} * size_out() * cout * output_memory_bits + kept_values * kStreamBits;
  }
  static constexpr int kStreamBits = 16;
  /// "expand 24 -> 96, 14x14, kernel 1, stride 1, W8A6", with ", residual" where it has one.
  std::string shape() const;
  /// "expand of block 3"
  std::string name() const;
};

/// A genome expanded into layers, first to last.
using NetworkSpec = std::vector<LayerSpec>;

}  // namespace apq::space
