// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/random.hpp"

#include <Random123/philox.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>

#include "apq/core/error.hpp"
#include "apq/core/hash.hpp"
#include "core/philox.hpp"

namespace apq {

static_assert(std::endian::native == std::endian::little, "keys are hashed as little-endian bytes");

std::array<std::uint32_t, 4> philox(const std::array<std::uint32_t, 4>& counter,
                                    const std::array<std::uint32_t, 2>& key) {
  const r123::Philox4x32_R<10>::ctr_type c{{counter[0], counter[1], counter[2], counter[3]}};
  const r123::Philox4x32_R<10>::key_type k{{key[0], key[1]}};
  const auto block = r123::Philox4x32_R<10>{}(c, k);
  return {block[0], block[1], block[2], block[3]};
}

RandomStream::RandomStream(std::uint64_t seed, Purpose purpose, std::uint64_t a, std::uint64_t b,
                           std::uint64_t c) {
  const std::array<std::uint64_t, 5> words{seed, static_cast<std::uint64_t>(purpose), a, b, c};
  const std::uint64_t key = hash_bytes(std::as_bytes(std::span(words)));
  key_[0] = static_cast<std::uint32_t>(key);
  key_[1] = static_cast<std::uint32_t>(key >> 32);
}

void RandomStream::refill() {
  const std::array<std::uint32_t, 4> counter{static_cast<std::uint32_t>(block_),
                                             static_cast<std::uint32_t>(block_ >> 32), 0, 0};
  std::ranges::copy(philox(counter, {key_[0], key_[1]}), buffer_);
  ++block_;
  used_ = 0;
}

// Box-Muller; the second value of the pair is not kept, so a draw always takes four words.
double RandomStream::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

}  // namespace apq
