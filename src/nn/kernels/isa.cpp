// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/kernels/isa.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "apq/core/error.hpp"

namespace apq::nn::kernels {
namespace {

constexpr std::array<const char*, 3> kNames{"generic", "avx2", "avx512"};

Isa supported() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return Isa::avx512;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? Isa::avx2 : Isa::generic;
}

Isa allowed() {
  const char* name = std::getenv("APQ_MAX_ISA");
  if (name == nullptr || *name == '\0') return Isa::avx512;
  const auto found = std::ranges::find(kNames, std::string(name));
  validate(found != kNames.end(), ErrorKind::usage, "APQ_MAX_ISA = \"{}\" (there are {}) use one of these",
           name, fmt::join(kNames, ", "));
  return static_cast<Isa>(found - kNames.begin());
}

}  // namespace

Isa isa() {
  static const Isa best = std::min(supported(), allowed());
  return best;
}

}  // namespace apq::nn::kernels
