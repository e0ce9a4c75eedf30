// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/kernels/float_kernels.hpp"

namespace apq::nn::kernels {

const FloatKernels& float_kernels() {
  static const FloatKernels& best = [&]() -> const FloatKernels& {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
      return kFloatAvx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kFloatAvx2;
    return kFloatGeneric;
  }();
  return best;
}

}  // namespace apq::nn::kernels
