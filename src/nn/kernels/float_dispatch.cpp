// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/kernels/float_kernels.hpp"
#include "nn/kernels/isa.hpp"

namespace apq::nn::kernels {

const FloatKernels& float_kernels() { return choose(kFloatGeneric, kFloatAvx2, kFloatAvx512); }

}  // namespace apq::nn::kernels
