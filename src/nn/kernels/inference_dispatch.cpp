// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/kernels/inference_kernels.hpp"
#include "nn/kernels/isa.hpp"

namespace apq::nn::kernels {

const InferenceKernels& inference_kernels() {
  return choose(kInferenceGeneric, kInferenceAvx2, kInferenceAvx512);
}

}  // namespace apq::nn::kernels
