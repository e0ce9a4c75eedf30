// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <array>
#include <cstdint>

namespace apq {

/// One block of Philox4x32 with 10 rounds (Salmon et al., SC 2011): four words from a counter and a key.
std::array<std::uint32_t, 4> philox(const std::array<std::uint32_t, 4>& counter,
                                    const std::array<std::uint32_t, 2>& key);

}  // namespace apq
