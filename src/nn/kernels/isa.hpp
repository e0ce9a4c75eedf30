// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

namespace apq::nn::kernels {

/// Instruction sets that kernels of our own are compiled for.
enum class Isa { generic, avx2, avx512 };

/// The best this CPU runs, or less where the environment's APQ_MAX_ISA says so. Throws Error(usage) for a
/// name that is none.
Isa isa();

/// The table for it.
template <class Kernels>
const Kernels& choose(const Kernels& generic, const Kernels& avx2, const Kernels& avx512) {
  switch (isa()) {
    case Isa::avx512:
      return avx512;
    case Isa::avx2:
      return avx2;
    case Isa::generic:
      break;
  }
  return generic;
}

}  // namespace apq::nn::kernels
