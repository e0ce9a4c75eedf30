// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/space/search_space.hpp"

namespace apq::space {
namespace {

/// A fixed 8-bit layer at `size`; the caller sets what differs.
LayerSpec fixed_layer(LayerKind kind, LayerRole role, int cin, int cout, int size) {
  LayerSpec layer;
  layer.kind = kind;
  layer.role = role;
  layer.cin = cin;
  layer.cout = cout;
  layer.size = size;
  return layer;
}

}  // namespace

std::array<LayerSpec, 3> SearchSpace::block_layers(int block, const BlockGenes& genes) const {
  const BlockChoices& choices = blocks_[block];
  const int width = choices.widths[genes.width];
  const auto bits = [&](BitGene gene) { return options_.bits[genes.bits[gene]]; };

  LayerSpec expand = fixed_layer(LayerKind::pointwise, LayerRole::expand, choices.cin, width, choices.size);
  expand.signed_input = true;  // the residual stream is linear
  expand.relu6 = true;

  LayerSpec depthwise = fixed_layer(LayerKind::depthwise, LayerRole::depthwise, width, width, choices.size);
  depthwise.kernel = choices.kernels[genes.kernel];
  depthwise.stride = choices.stride;
  depthwise.relu6 = true;

  LayerSpec project =
      fixed_layer(LayerKind::pointwise, LayerRole::project, width, choices.cout, depthwise.size_out());
  project.residual = choices.residual;

  for (LayerSpec* pointwise : {&expand, &project}) {
    pointwise->weight_bits = bits(kPwWeight);
    pointwise->activation_bits = bits(kPwActivation);
  }
  depthwise.weight_bits = bits(kDwWeight);
  depthwise.activation_bits = bits(kDwActivation);
  expand.input_memory_bits = project.output_memory_bits = LayerSpec::kStreamBits;
  expand.output_memory_bits = depthwise.input_memory_bits = depthwise.activation_bits;
  depthwise.output_memory_bits = project.input_memory_bits = project.activation_bits;
  if (choices.residual)
    depthwise.kept_values = project.kept_values = std::int64_t{choices.size} * choices.size * choices.cin;
  for (LayerSpec* layer : {&expand, &depthwise, &project}) layer->block = block;
  return {expand, depthwise, project};
}

NetworkSpec SearchSpace::expand(const Genome& g) const {
  NetworkSpec layers;
  LayerSpec stem = fixed_layer(LayerKind::dense, LayerRole::stem, options_.input_channels,
                               options_.stem_width, options_.input_size);
  stem.kernel = 3;
  stem.stride = options_.stem_stride;
  stem.signed_input = true;  // the normalised image
  stem.relu6 = true;
  if (options_.first_width == 0) stem.output_memory_bits = LayerSpec::kStreamBits;
  layers.push_back(stem);

  if (options_.first_width > 0) {
    LayerSpec depthwise =
        fixed_layer(LayerKind::depthwise, LayerRole::depthwise, stem.cout, stem.cout, stem.size_out());
    depthwise.kernel = 3;
    depthwise.relu6 = true;
    layers.push_back(depthwise);
    layers.push_back(fixed_layer(LayerKind::pointwise, LayerRole::project, stem.cout, options_.first_width,
                                 depthwise.size_out()));
    layers.back().output_memory_bits = LayerSpec::kStreamBits;
  }

  for (int b = 0; b < static_cast<int>(blocks_.size()); ++b) {
    if (!active(g, b)) continue;
    const auto block = block_layers(b, g.blocks[b]);
    layers.insert(layers.end(), block.begin(), block.end());
  }

  LayerSpec head = fixed_layer(LayerKind::pointwise, LayerRole::head, layers.back().cout, options_.head_width,
                               layers.back().size_out());
  head.signed_input = true;
  head.relu6 = true;
  head.input_memory_bits = head.output_memory_bits = LayerSpec::kStreamBits;
  layers.push_back(head);
  layers.push_back(fixed_layer(LayerKind::linear, LayerRole::classifier, head.cout, options_.classes, 1));
  layers.back().output_memory_bits = 32;  // logits
  return layers;
}

}  // namespace apq::space
