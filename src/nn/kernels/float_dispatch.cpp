// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/kernels/float_kernels.hpp"
#include "nn/kernels/isa.hpp"

namespace apq::nn::kernels {

const FloatKernels& float_kernels() { return choose(kFloatGeneric, kFloatAvx2, kFloatAvx512); }

template <>
const StoredKernels<float>& stored_kernels<float>() {
  return float_kernels();
}
template <>
const StoredKernels<Bf16>& stored_kernels<Bf16>() {
  return choose(kBf16Generic, kBf16Avx2, kBf16Avx512);
}

}  // namespace apq::nn::kernels
