// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <vector>

#include "apq/nn/buffer.hpp"
#include "apq/nn/integer.hpp"
#include "nn/onednn/adapter.hpp"

namespace apq::nn::onednn {

/// Exact 32-bit sums of one layer (without bias) for a fixed number of images. Pointwise, linear and dense
/// layers are one matrix product of rows; a dense layer wants its im2col columns. Depthwise layers are
/// convolutions with zero padding.
class IntegerProduct {
 public:
  IntegerProduct(const IntegerLayer& layer, int images);
  /// in: [rows][taps] unsigned 8 bit, or [images][size][size][channels] for depthwise; out: [rows_out][cout].
  void run(const std::uint8_t* in, std::int32_t* out);
  /// Number of weight parts whose sums are added.
  int parts() const { return static_cast<int>(weights_.size()); }

 private:
  template <class Primitive>
  void prepare(const typename Primitive::primitive_desc& descriptor, const IntegerLayer& layer,
               const dnnl::memory::desc& plain);

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::primitive primitive_;
  dnnl::memory src_, dst_;
  std::vector<dnnl::memory> weights_;  ///< one per part, in the primitive's layout
  Scratch<std::int32_t> partial_;      ///< sums of the second and later parts
};

/// Number of parts that keep the layer's sums exact. Throws Error(numeric) above 4.
int exact_parts(const IntegerLayer& layer, bool vnni);
/// Part `part` of `parts` of a weight; the parts add up to the weight and are as equal as can be.
inline std::int8_t weight_part(int weight, int part, int parts) {
  return static_cast<std::int8_t>(weight * (part + 1) / parts - weight * part / parts);
}

}  // namespace apq::nn::onednn
