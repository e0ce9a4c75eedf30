// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <bit>
#include <cstdint>

namespace apq::nn {

/// The upper half of a float: its range with 8 bits of precision. For memory, and for products
/// that are summed in float.
struct Bf16 {
  std::uint16_t bits;
};

// Always inlined: no copy compiled for one instruction set may be linked into another's code.
[[gnu::always_inline]] inline float to_float(Bf16 v) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(v.bits) << 16);
}
[[gnu::always_inline]] inline float to_float(float v) { return v; }

/// Rounds to nearest even, beyond the largest number to infinity. What arithmetic makes of invalid operands
/// stays not-a-number; payloads of others may be lost.
[[gnu::always_inline]] inline void assign(Bf16& to, float v) {
  const auto bits = std::bit_cast<std::uint32_t>(v);
  to.bits = static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
[[gnu::always_inline]] inline void assign(float& to, float v) { to = v; }

}  // namespace apq::nn
