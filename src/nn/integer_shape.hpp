// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>

#include "apq/nn/integer.hpp"

namespace apq::nn {

/// Number of products in one sum.
inline int taps(const IntegerLayer& layer) {
  return layer.kernel * layer.kernel * (layer.kind == Kind::depthwise ? 1 : layer.cin);
}

/// Rows of the output for one image.
inline std::int64_t rows_out(const IntegerLayer& layer) {
  return layer.kind == Kind::linear ? 1 : std::int64_t{layer.size_out()} * layer.size_out();
}

/// Numbers of the input and the output of one image.
inline std::int64_t elements_in(const IntegerLayer& layer) {
  return std::int64_t{layer.size} * layer.size * layer.cin;
}
inline std::int64_t elements_out(const IntegerLayer& layer) { return rows_out(layer) * layer.cout; }

/// Largest magnitude any partial sum of one channel can have, for any input of 0..255.
std::int64_t largest_sum(const IntegerLayer& layer, int channel);

}  // namespace apq::nn
