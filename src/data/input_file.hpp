// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace apq::data {

/// A file read from front to back, decompressed on the way when it starts like gzip. Offsets count the bytes
/// after decompression. Every defect is an Error(data) naming the file; a failing device is an Error(io).
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile() { inflateEnd(&stream_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::string name() const { return path_.string(); }
  const std::filesystem::path& path() const { return path_; }
  std::uint64_t offset() const { return offset_; }

  /// Fills `out`; false when the file ends exactly here. `what` names the thing read in the error text.
  bool read_next(std::span<std::uint8_t> out, std::string_view what);
  /// The next `count` bytes. Memory grows with what is really there, so a lying header costs nothing.
  std::vector<std::uint8_t> read_bytes(std::uint64_t count, std::string_view what);
  std::uint32_t read_big_endian(std::string_view what);
  /// Nothing may follow.
  void expect_end();

 private:
  std::size_t read_some(std::span<std::uint8_t> out);
  std::size_t copy_some(std::span<std::uint8_t> out);
  std::size_t inflate_some(std::span<std::uint8_t> out);
  void refill();
  std::uint64_t file_offset() const { return file_bytes_ - stream_.avail_in; }
  [[noreturn]] void fail_truncated(std::uint64_t expected, std::string_view what) const;

  std::filesystem::path path_;
  std::ifstream file_;
  std::vector<std::uint8_t> buffer_;
  z_stream stream_{};  ///< next_in, avail_in: what of the buffer is not used yet, compressed or not
  std::uint64_t file_bytes_ = 0, offset_ = 0;
  bool gzip_ = false, ended_ = false;
};

}  // namespace apq::data
