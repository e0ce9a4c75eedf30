// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/kernels/integer_kernels.hpp"
#include "nn/kernels/isa.hpp"

namespace apq::nn::kernels {

const IntegerKernels* integer_kernels() {
  return isa() == Isa::avx512 && __builtin_cpu_supports("avx512vnni") ? &kIntegerAvx512Vnni : nullptr;
}

}  // namespace apq::nn::kernels
