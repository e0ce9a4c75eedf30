// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/kernels/isa.hpp"
#include "nn/kernels/mlp_kernels.hpp"

namespace apq::nn::kernels {

const MlpKernels& mlp_kernels() { return choose(kMlpGeneric, kMlpAvx2, kMlpAvx512); }

}  // namespace apq::nn::kernels
