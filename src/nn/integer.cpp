// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/nn/integer.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "apq/core/error.hpp"
#include "nn/integer_shape.hpp"

namespace apq::nn {
namespace {

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::dense:
      return "dense";
    case Kind::pointwise:
      return "pointwise";
    case Kind::depthwise:
      return "depthwise";
    case Kind::linear:
      return "linear";
  }
  return "?";
}

void validate_shape(const IntegerLayer& l) {
  APQ_ASSERT(l.cin > 0 && l.cout > 0 && l.size > 0);
  APQ_ASSERT(l.kind != Kind::depthwise || (l.cin == l.cout && l.kernel >= 3 && l.input_zero == 0));
  APQ_ASSERT(l.kernel % 2 == 1 && (l.stride == 1 || l.stride == 2));
  APQ_ASSERT((l.kind != Kind::pointwise && l.kind != Kind::linear) || (l.kernel == 1 && l.stride == 1));
  const std::size_t outputs = static_cast<std::size_t>(l.cout);
  APQ_ASSERT(l.weight.size() == static_cast<std::size_t>(taps(l)) * outputs);
  APQ_ASSERT(l.bias.size() == outputs && l.multiplier.size() == outputs);
}

void validate_ranges(const IntegerLayer& l) {
  APQ_ASSERT(l.input_low <= l.input_high && l.input_low + l.input_zero >= 0);
  APQ_ASSERT(l.input_high + l.input_zero <= 255 && l.input_zero >= 0 && l.input_zero <= 255);
  APQ_ASSERT(l.low <= l.high && l.shift >= 0 && l.shift < 32);
  APQ_ASSERT(l.to_stream ? l.low >= -32768 && l.high <= 32767 : l.low >= 0 && l.high <= 255);
  APQ_ASSERT(*std::min_element(l.weight.begin(), l.weight.end()) >= -127);
}

void validate_numbers(const IntegerLayer& l, std::size_t index) {
  bool finite = std::isfinite(l.input_ratio) && std::isfinite(l.input_step);
  for (const float m : l.multiplier) finite = finite && std::isfinite(m);
  validate(finite, ErrorKind::numeric,
           "layer {} of the integer network has a step that is not finite (its float weights or ranges "
           "overflowed) lower the learning rate",
           index);
  for (int c = 0; c < l.cout; ++c) {
    const std::int64_t bias = l.bias[static_cast<std::size_t>(c)];
    validate((largest_sum(l, c) << l.shift) + std::abs(bias) < std::int64_t{1} << 31, ErrorKind::numeric,
             "sums of layer {} channel {} of the integer network can leave 32 bits (bias {}, {} weights) use "
             "fewer input channels or more evenly scaled weights",
             index, c, bias, taps(l));
  }
}

void validate_connections(const IntegerNetwork& network, std::size_t i) {
  const IntegerLayer& l = network.layers[i];
  APQ_ASSERT((l.kind == Kind::linear) == (i + 1 == network.layers.size()));
  if (i == 0) {
    APQ_ASSERT(l.cin == network.input_channels && l.size == network.input_size && !l.input_from_stream);
  } else {
    const IntegerLayer& before = network.layers[i - 1];
    APQ_ASSERT(l.cin == before.cout && l.input_from_stream == before.to_stream);
    APQ_ASSERT(l.kind == Kind::linear ? before.to_stream && rows_out(before) < (1 << 16) &&
                                            l.input_zero == 0 && l.cout == network.classes
                                      : l.size == before.size_out());
    APQ_ASSERT(l.input_from_stream || l.input_zero == 0);
  }
  if (l.residual_from >= 0) {
    APQ_ASSERT(l.residual_from >= 1 && l.residual_from <= static_cast<int>(i) && l.to_stream);
    const IntegerLayer& from = network.layers[static_cast<std::size_t>(l.residual_from)];
    APQ_ASSERT(from.input_from_stream && from.cin == l.cout && from.size == l.size_out());
  }
}

}  // namespace

std::int64_t largest_sum(const IntegerLayer& layer, int channel) {
  std::int64_t positive = 0, negative = 0;
  for (std::size_t i = static_cast<std::size_t>(channel); i < layer.weight.size();
       i += static_cast<std::size_t>(layer.cout))
    (layer.weight[i] > 0 ? positive : negative) += layer.weight[i];
  return 255 * std::max(positive, -negative);
}

void IntegerNetwork::validate() const {
  APQ_ASSERT(layers.size() >= 2);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    validate_shape(layers[i]);
    validate_ranges(layers[i]);
    validate_connections(*this, i);
    validate_numbers(layers[i], i);
  }
}

std::string IntegerNetwork::describe() const {
  std::string text;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const IntegerLayer& l = layers[i];
    const bool is_signed = l.input_low < 0;
    const int bits = std::bit_width(static_cast<unsigned>(l.input_high)) + (is_signed ? 1 : 0);
    text += fmt::format("layer {} {} {}x{}x{} -> {}: input {} bit {}, step {}{}\n", i, kind_name(l.kind),
                        l.size, l.size, l.cin, l.cout, bits, is_signed ? "signed" : "unsigned", l.input_step,
                        l.to_stream ? ", output to the stream" : "");
  }
  return text;
}

}  // namespace apq::nn
