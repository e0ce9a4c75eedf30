// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace apq {

/// XXH3, 64 bits.
std::uint64_t hash_bytes(std::span<const std::byte> bytes, std::uint64_t seed = 0);
std::uint64_t hash_text(std::string_view text, std::uint64_t seed = 0);
struct Hash128 {
  std::uint64_t low = 0, high = 0;
  bool operator==(const Hash128&) const = default;
};
/// XXH3, 128 bits.
Hash128 hash128(std::span<const std::byte> bytes, std::uint64_t seed = 0);
/// 16 hexadecimal digits.
std::string hex(std::uint64_t value);

}  // namespace apq
