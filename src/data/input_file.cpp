// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "data/input_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "apq/core/error.hpp"
#include "apq/core/watchdog.hpp"

namespace apq::data {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 16;
constexpr std::uint64_t kChunk = std::uint64_t{1} << 22;
constexpr int kGzipOnly = 15 + 16;  // inflateInit2: largest window, gzip header and checksum required

}  // namespace

InputFile::InputFile(const std::filesystem::path& path)
    : path_(path), file_(path, std::ios::binary), buffer_(kBuffer) {
  validate(file_.is_open(), ErrorKind::io, "{}: cannot open it ({})", name(), std::strerror(errno));
  refill();
  gzip_ = stream_.avail_in >= 2 && buffer_[0] == 0x1f && buffer_[1] == 0x8b;
  if (gzip_) APQ_ASSERT(inflateInit2(&stream_, kGzipOnly) == Z_OK);
}

bool InputFile::read_next(std::span<std::uint8_t> out, std::string_view what) {
  const std::uint64_t expected = offset_ + out.size();
  const std::size_t got = read_some(out);
  if (got == 0) return false;
  if (got < out.size()) fail_truncated(expected, what);
  return true;
}

std::vector<std::uint8_t> InputFile::read_bytes(std::uint64_t count, std::string_view what) {
  const std::uint64_t expected = offset_ + count;
  std::vector<std::uint8_t> bytes;
  while (bytes.size() < count) {
    const std::size_t done = bytes.size();
    bytes.resize(done + std::min(kChunk, count - done));
    const std::span chunk = std::span(bytes).subspan(done);
    if (read_some(chunk) < chunk.size()) fail_truncated(expected, what);
  }
  return bytes;
}

std::uint32_t InputFile::read_big_endian(std::string_view what) {
  std::uint32_t value = 0;
  for (const std::uint8_t byte : read_bytes(4, what)) value = value << 8 | byte;
  return value;
}

void InputFile::expect_end() {
  const std::uint64_t end = offset_;
  std::array<std::uint8_t, 1> extra{};
  if (read_some(extra) > 0)
    fail(ErrorKind::data,
         "{}: trailing bytes (expected the end of the data at byte {}, found more) is this the right file?",
         name(), end);
  if (stream_.avail_in == 0) refill();
  if (stream_.avail_in > 0)
    fail(ErrorKind::data,
         "{}: trailing bytes (the gzip stream ends at byte {}, the file goes on) get the file again", name(),
         file_offset());
}

std::size_t InputFile::read_some(std::span<std::uint8_t> out) {
  const std::size_t got = gzip_ ? inflate_some(out) : copy_some(out);
  offset_ += got;
  return got;
}

std::size_t InputFile::copy_some(std::span<std::uint8_t> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    if (stream_.avail_in == 0) refill();
    if (stream_.avail_in == 0) break;
    const auto step = static_cast<uInt>(std::min<std::size_t>(out.size() - done, stream_.avail_in));
    std::memcpy(out.data() + done, stream_.next_in, step);
    stream_.next_in += step;
    stream_.avail_in -= step;
    done += step;
  }
  return done;
}

// The checksum at the end of the stream is tested by zlib before it reports the end.
std::size_t InputFile::inflate_some(std::span<std::uint8_t> out) {
  stream_.next_out = out.data();
  stream_.avail_out = static_cast<uInt>(out.size());
  while (stream_.avail_out > 0 && !ended_) {
    if (stream_.avail_in == 0) refill();
    const int status = inflate(&stream_, Z_NO_FLUSH);
    if (status == Z_BUF_ERROR)
      fail(ErrorKind::data,
           "{}: truncated (the file ends at byte {} inside its gzip stream) get the file again", name(),
           file_offset());
    validate(status == Z_OK || status == Z_STREAM_END, ErrorKind::data,
             "{}: damaged gzip stream near byte {} ({}) get the file again", name(), file_offset(),
             stream_.msg ? stream_.msg : zError(status));
    ended_ = status == Z_STREAM_END;
  }
  return out.size() - stream_.avail_out;
}

void InputFile::refill() {
  heartbeat();
  file_.read(reinterpret_cast<char*>(buffer_.data()), static_cast<std::streamsize>(buffer_.size()));
  validate(!file_.bad(), ErrorKind::io, "{}: reading failed after byte {} ({})", name(), file_bytes_,
           std::strerror(errno));
  stream_.next_in = buffer_.data();
  stream_.avail_in = static_cast<uInt>(file_.gcount());
  file_bytes_ += stream_.avail_in;
}

void InputFile::fail_truncated(std::uint64_t expected, std::string_view what) const {
  fail(ErrorKind::data,
       "{}: truncated (expected {} bytes up to the end of {}, found {}{}) get the file again", name(),
       expected, what, offset_, gzip_ ? " after decompression" : "");
}

}  // namespace apq::data
