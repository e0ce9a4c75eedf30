// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/kernels/requantize.hpp"

namespace apq::nn {

const RequantizeKernels& requantize_kernels() {
  static const RequantizeKernels& best =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
          ? kRequantizeAvx512
      : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? kRequantizeAvx2
                                                                        : kRequantizeGeneric;
  return best;
}

}  // namespace apq::nn
