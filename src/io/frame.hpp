// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace apq::io {

/// More than this is neither written nor read.
inline constexpr std::size_t kLargestPayload = std::size_t{1} << 32;

/// Wraps `raw`, compressed, so that any damage is noticed before a byte of it is used:
///
///     offset  size
///          0     8  "APQFRAME"
///          8     8  format version
///         16    32  payload kind, filled up with zeros
///         48     8  raw length: bytes after decompression
///         56     8  stored length
///         64     8  XXH3 of the stored bytes
///         72     8  XXH3 of bytes 0 to 71
///         80     n  stored bytes: one zstd frame
///     80 + n     8  "APQ END\n"
///
/// Numbers are little-endian.
std::vector<std::byte> make_frame(const std::string& kind, std::span<const std::byte> raw);

/// The raw bytes. Throws Error(checkpoint) naming `origin` for anything but an intact frame of this kind with
/// at most `max_bytes` raw bytes; allocates nothing before everything else is checked.
std::vector<std::byte> open_frame(std::span<const std::byte> frame, const std::string& kind,
                                  const std::string& origin, std::size_t max_bytes);

}  // namespace apq::io
