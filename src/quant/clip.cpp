// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "quant/clip.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "apq/nn/ops.hpp"
#include "apq/quant/quantizer.hpp"

namespace apq::quant {
namespace {

double squared_error(std::span<const float> values, float step, float low, float high) {
  double error = 0;
  for (const float v : values) {
    const float difference = v - std::clamp(std::rint(v / step), low, high) * step;
    error += static_cast<double>(difference) * static_cast<double>(difference);
  }
  return error;
}

}  // namespace

float best_clip(std::span<const float> values, float largest, int bits, bool is_signed) {
  const auto levels = static_cast<float>(nn::quantizer_levels(bits, is_signed));
  float best = largest;
  double least = std::numeric_limits<double>::infinity();
  for (int percent = 100; percent >= 20; percent -= 2) {
    const float clip = largest * static_cast<float>(percent) / 100.0f;
    const double error = squared_error(values, clip / levels, is_signed ? -levels : 0.0f, levels);
    if (error < least) {
      least = error;
      best = clip;
    }
  }
  return best;
}

float weight_step(std::span<const float> values, int bits) {
  float largest = 0;
  for (const float v : values) largest = std::max(largest, std::abs(v));
  if (largest < std::numeric_limits<float>::min()) return std::numeric_limits<float>::min();
  const float clip = bits < kSearchBelowBits ? best_clip(values, largest, bits, true) : largest;
  return std::max(clip / static_cast<float>(nn::quantizer_levels(bits, true)),
                  std::numeric_limits<float>::min());
}

}  // namespace apq::quant
