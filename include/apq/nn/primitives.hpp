// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include "apq/nn/network.hpp"
#include "apq/nn/ops.hpp"
#include "apq/nn/precision.hpp"

/// Stand-alone oneDNN primitives, timed: the yardstick of `apq bench engine`. Each runs alone, again and
/// again, in the layout oneDNN likes best, on all threads of this process.
namespace apq::nn {

enum class Pass { forward, backward_data, backward_weights };

/// Least seconds of some runs of a layer's convolution (linear: its product); bf16 and int8 only forward,
/// int8 to unsigned 8 bit with a ReLU.
double convolution_seconds(Kind kind, const ConvShape& shape, Pass pass, Precision precision);
/// Least seconds of a normalisation with a fused ReLU, forward with batch statistics or backward (any other
/// pass).
double normalisation_seconds(const ConvShape& shape, Pass pass);

}  // namespace apq::nn
