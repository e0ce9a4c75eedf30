// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/kernels/mlp_kernels.hpp"

namespace apq::nn::kernels {

const MlpKernels& mlp_kernels() {
  static const MlpKernels& best = [&]() -> const MlpKernels& {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
      return kMlpAvx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kMlpAvx2;
    return kMlpGeneric;
  }();
  return best;
}

}  // namespace apq::nn::kernels
