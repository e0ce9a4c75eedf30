// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/kernels/requantize.hpp"

#include "nn/kernels/isa.hpp"

namespace apq::nn {

const RequantizeKernels& requantize_kernels() {
  return kernels::choose(kRequantizeGeneric, kRequantizeAvx2, kRequantizeAvx512);
}

}  // namespace apq::nn
