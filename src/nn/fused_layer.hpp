// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>

#include "apq/nn/buffer.hpp"
#include "apq/nn/integer.hpp"
#include "nn/kernels/integer_kernels.hpp"
#include "nn/range.hpp"

namespace apq::nn {

/// One integer layer on kernels that do it as a whole, with weights, biases and multipliers in their order.
class FusedLayer {
 public:
  /// Whether this CPU has the kernels and they know the layer.
  static bool supports(const IntegerLayer& layer);
  /// `layer` is supported and outlives this.
  explicit FusedLayer(const IntegerLayer& layer);
  /// What happens to its sums; where the results go is left to the caller.
  kernels::Requantization requantization() const;
  /// Lines of the output, counted over all images of the input. Linear: a line is an image. Of `in` also
  /// `read_ahead` bytes after the end are read.
  void run(const std::uint8_t* in, Range lines, const kernels::Requantization& q) const;
  std::int64_t read_ahead() const {
    return std::int64_t{kernels::kReadAheadRows} * layer_.cin + kernels::kReadAhead;
  }

 private:
  void run_rows(const std::uint8_t* in, Range rows, const kernels::Requantization& q) const;

  const IntegerLayer& layer_;
  const kernels::IntegerKernels& kernels_ = *kernels::integer_kernels();
  AlignedVector<std::int8_t> weights_;
  AlignedVector<std::int32_t> bias_;
  AlignedVector<float> multiplier_;
};

}  // namespace apq::nn
