// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "apq/nn/integer.hpp"
#include "apq/nn/network.hpp"

namespace apq::quant {

/// Bits of one layer: its weights and its input.
struct LayerBits {
  int weight = 8;
  int input = 8;
};

/// Step of a symmetric quantizer for `values` at `bits`: max|v| / levels, and below 5 bits the clip that
/// minimises the squared error among candidates (APQ's code searches a KL threshold per tensor there; per
/// channel, squared error is the better-behaved criterion).
float weight_step(std::span<const float> values, int bits);

/// Gives `model` (folded: no normalisation) weight and input quantizers. `inputs` are calibration images
/// [count][size][size][channels]: ranges are min(6, max) for inputs after a ReLU6, max|x| for signed ones,
/// below 5 bits the clip of least squared error. Layer i uses bits[i] (2 to 8). Alphas become trainable
/// entries of the model, after all others (not decayed). Throws Error(numeric) when an input is not finite.
void prepare(nn::Model& model, std::span<const LayerBits> bits, const float* images, int count,
             nn::Executor& executor);

/// The integer network of a prepared model; the layer before the linear one must have a ReLU6. Each chain of
/// residuals has its own power-of-two stream step, with the largest clip of its readers at 8192 to 16384
/// units. Throws Error(numeric) on NaN or infinite values and on biases that leave 32 bits.
nn::IntegerNetwork lower(const nn::Model& model);

}  // namespace apq::quant
