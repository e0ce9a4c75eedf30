// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <vector>

#include "apq/core/error.hpp"
#include "apq/nn/ops.hpp"
#include "apq/quant/quantizer.hpp"

namespace apq::quant {
namespace {

constexpr double kRelu6 = 6.0;
/// The largest clip of all who read a chain of residuals is at most this many stream units, which leaves room
/// for sums of twice that before they saturate.
constexpr double kStreamUnits = 16384;

int levels(const nn::InputQuantizer& q) { return nn::quantizer_levels(q.bits, q.is_signed); }
double step(const nn::InputQuantizer& q) { return static_cast<double>(*q.alpha.value) / levels(q); }

void check_numbers(const nn::Model& model) {
  for (std::size_t i = 0; i < model.network.layers.size(); ++i) {
    const nn::Layer& l = model.network.layers[i];
    APQ_ASSERT(l.input_quantizer.bits > 0 && l.weight_bits > 0 && !l.gamma.value);
    APQ_ASSERT(l.kind != nn::Kind::linear || (i > 0 && model.network.layers[i - 1].relu6));
    const float alpha = *l.input_quantizer.alpha.value;
    validate(std::isfinite(alpha) && alpha > 0, ErrorKind::numeric,
             "the input range of layer {} is {} (training diverged) lower the learning rate", i, alpha);
  }
  const auto finite = [](float v) { return std::isfinite(v); };
  validate(std::all_of(model.values.begin(), model.values.end(), finite) &&
               std::all_of(model.weight_steps.begin(), model.weight_steps.end(), finite),
           ErrorKind::numeric, "a weight is not finite (training diverged) lower the learning rate");
}

/// Linear outputs, everything a residual connection reads later, and what is pooled travel on the stream.
bool goes_to_stream(const std::vector<nn::Layer>& layers, std::size_t i) {
  if (i + 1 == layers.size()) return false;
  return !layers[i].relu6 || layers[i + 1].kind == nn::Kind::linear ||
         std::any_of(layers.begin(), layers.end(),
                     [&](const nn::Layer& l) { return l.residual_from == static_cast<int>(i) + 1; });
}

/// Step of the stream at the input of each layer: a power of two, one for all layers that residual
/// connections join, since they are added as integers.
std::vector<double> stream_steps(const std::vector<nn::Layer>& layers) {
  std::vector<std::size_t> chain(layers.size());
  std::vector<double> largest(layers.size(), 0.0), steps(layers.size());
  for (std::size_t i = 1; i < layers.size(); ++i) {
    const int from = layers[i - 1].residual_from;
    chain[i] = from >= 0 ? chain[static_cast<std::size_t>(from)] : i;
    // Pixels exceed their average, but not the ReLU6.
    const double clip = layers[i].kind == nn::Kind::linear
                            ? kRelu6
                            : static_cast<double>(*layers[i].input_quantizer.alpha.value);
    largest[chain[i]] = std::max(largest[chain[i]], clip);
  }
  for (std::size_t i = 1; i < layers.size(); ++i)
    steps[i] = std::exp2(std::ceil(std::log2(largest[chain[i]] / kStreamUnits)));
  return steps;
}

std::int32_t to_integer(double value, const char* what, std::size_t layer) {
  validate(
      std::abs(value) < 2147483647.0, ErrorKind::numeric,
      "{} of layer {} is {:g} steps (its weights are far smaller than its biases) lower the learning rate",
      what, layer, value);
  return static_cast<std::int32_t>(std::llrint(value));
}

/// Largest shift that leaves every sum, its bias and the input's zero compensation well inside 32 bits.
int bias_shift(const nn::Layer& from, const nn::IntegerLayer& to, const std::vector<double>& units) {
  const int rows = static_cast<int>(to.weight.size()) / from.cout;
  double largest = 1;
  for (int c = 0; c < from.cout; ++c) {
    double sum = 0;
    for (int r = 0; r < rows; ++r) sum += std::abs(to.weight[static_cast<std::size_t>(r * from.cout + c)]);
    const double bias = static_cast<double>(from.beta.value[c]) / units[static_cast<std::size_t>(c)];
    largest = std::max(largest, (255 + to.input_zero) * sum + std::abs(bias));
  }
  return std::clamp(static_cast<int>(std::floor(std::log2(std::exp2(30) / largest))), 0, 16);
}

/// Integer weights, biases and the factor from a sum to one unit of `output_step`.
void lower_weights(const nn::Layer& from, double output_step, std::size_t index, nn::IntegerLayer& to) {
  const int rows = from.kernel * from.kernel * (from.kind == nn::Kind::depthwise ? 1 : from.cin);
  const double limit = nn::quantizer_levels(from.weight_bits, true), input_step = step(from.input_quantizer);
  std::vector<int> sums(static_cast<std::size_t>(from.cout));
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < from.cout; ++c) {
      const float q = from.weight.value[std::int64_t{r} * from.weight.ld + c] / from.weight_steps[c];
      to.weight.push_back(
          static_cast<std::int8_t>(std::clamp(std::rint(static_cast<double>(q)), -limit, limit)));
      sums[static_cast<std::size_t>(c)] += to.weight.back();
    }
  std::vector<double> units;  // of the sums of each channel
  for (int c = 0; c < from.cout; ++c) units.push_back(input_step * static_cast<double>(from.weight_steps[c]));
  to.shift = bias_shift(from, to, units);
  for (std::size_t c = 0; c < units.size(); ++c) {
    const double unit = std::ldexp(units[c], -to.shift);
    const double zero = std::ldexp(static_cast<double>(to.input_zero) * sums[c], to.shift);
    to.bias.push_back(to_integer(static_cast<double>(from.beta.value[c]) / unit - zero, "a bias", index));
    to.multiplier.push_back(static_cast<float>(unit / output_step));
  }
}

/// How the layer reads `value_step` units into its own; a layer after an 8-bit output takes it as it is.
void lower_input(const nn::InputQuantizer& q, double value_step, nn::IntegerLayer& to) {
  to.input_step = static_cast<float>(step(q));
  to.input_ratio = static_cast<float>(value_step / step(q));
  to.input_high = levels(q);
  to.input_low = q.is_signed ? -to.input_high : 0;
  to.input_zero = q.is_signed ? 128 : 0;
}

}  // namespace

nn::IntegerNetwork lower(const nn::Model& model) {
  check_numbers(model);
  const std::vector<nn::Layer>& layers = model.network.layers;
  const std::vector<double> streams = stream_steps(layers);
  nn::IntegerNetwork result;
  result.input_size = model.network.input_size;
  result.input_channels = model.network.input_channels;
  result.classes = model.network.classes;

  double value_step = 1;  // of what the layer reads
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const nn::Layer& from = layers[i];
    nn::IntegerLayer to;
    to.kind = from.kind;
    to.cin = from.cin;
    to.cout = from.cout;
    to.size = from.size;
    to.kernel = from.kernel;
    to.stride = from.stride;
    to.residual_from = from.residual_from;
    to.input_from_stream = i > 0 && goes_to_stream(layers, i - 1);
    to.to_stream = goes_to_stream(layers, i);
    lower_input(from.input_quantizer, value_step, to);

    if (from.kind == nn::Kind::linear) {
      value_step = 1;
    } else if (to.to_stream) {
      value_step = streams[i + 1];
      to.high =
          static_cast<std::int32_t>(from.relu6 ? std::min(32767.0, std::rint(kRelu6 / value_step)) : 32767);
      to.low = from.relu6 ? 0 : -32768;
    } else {
      const nn::InputQuantizer& next = layers[i + 1].input_quantizer;
      value_step = step(next);
      to.high =
          std::min(levels(next), static_cast<std::int32_t>(std::min(255.0, std::rint(kRelu6 / value_step))));
    }
    lower_weights(from, value_step, i, to);
    if (i + 1 < layers.size() && layers[i + 1].kind == nn::Kind::linear)
      value_step /=
          static_cast<double>(from.size_out()) * from.size_out();  // the linear layer reads pixel sums
    result.layers.push_back(std::move(to));
  }
  result.validate();
  return result;
}

}  // namespace apq::quant
