// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/kernels/isa.hpp"
#include "nn/kernels/pair_kernels.hpp"

namespace apq::nn::kernels {

const PairKernels* pair_kernels() {
  static const bool fast =
      isa() == Isa::avx512 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_is("amd");
  return fast ? &kPairsAvx512Bf16 : nullptr;
}

}  // namespace apq::nn::kernels
