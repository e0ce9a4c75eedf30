// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "io/frame.hpp"

#include <zstd.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "apq/core/error.hpp"
#include "apq/core/hash.hpp"

namespace apq::io {
namespace {

static_assert(std::endian::native == std::endian::little, "frames are little-endian");

constexpr std::array<char, 8> kMagic{'A', 'P', 'Q', 'F', 'R', 'A', 'M', 'E'};
constexpr std::array<char, 8> kEnd{'A', 'P', 'Q', ' ', 'E', 'N', 'D', '\n'};
constexpr std::uint64_t kVersion = 1;
constexpr int kCompression = 3;  // zstd's own default: weights hardly compress further

struct Header {
  std::array<char, 8> magic = kMagic;
  std::uint64_t version = kVersion;
  std::array<char, 32> kind{};
  std::uint64_t raw_length = 0;
  std::uint64_t stored_length = 0;
  std::uint64_t stored_hash = 0;
  std::uint64_t header_hash = 0;

  std::uint64_t own_hash() const {
    return hash_bytes(std::as_bytes(std::span(this, 1)).first(offsetof(Header, header_hash)));
  }
};
static_assert(sizeof(Header) == 80);

std::array<char, 32> kind_field(const std::string& kind) {
  std::array<char, 32> field{};
  APQ_ASSERT(kind.size() <= field.size());
  kind.copy(field.data(), field.size());
  return field;
}

std::vector<std::byte> compress(std::span<const std::byte> raw, std::size_t before, std::size_t after) {
  std::vector<std::byte> out(before + ZSTD_compressBound(raw.size()));
  const std::size_t n =
      ZSTD_compress(out.data() + before, out.size() - before, raw.data(), raw.size(), kCompression);
  validate(!ZSTD_isError(n), ErrorKind::internal, "cannot compress {} bytes ({})", raw.size(),
           ZSTD_getErrorName(n));
  out.resize(before + n + after);
  return out;
}

}  // namespace

std::vector<std::byte> make_frame(const std::string& kind, std::span<const std::byte> raw) {
  validate(raw.size() <= kLargestPayload, ErrorKind::checkpoint, "cannot store {} bytes ({} is the most)",
           raw.size(), kLargestPayload);
  std::vector<std::byte> frame = compress(raw, sizeof(Header), kEnd.size());
  const auto stored = std::span(frame).subspan(sizeof(Header), frame.size() - sizeof(Header) - kEnd.size());
  Header header;
  header.kind = kind_field(kind);
  header.raw_length = raw.size();
  header.stored_length = stored.size();
  header.stored_hash = hash_bytes(stored);
  header.header_hash = header.own_hash();
  std::memcpy(frame.data(), &header, sizeof(header));
  std::memcpy(stored.data() + stored.size(), kEnd.data(), kEnd.size());
  return frame;
}

std::vector<std::byte> open_frame(std::span<const std::byte> frame, const std::string& kind,
                                  const std::string& origin, std::size_t max_bytes) {
  const auto require = [&](bool ok, const std::string& why) {
    validate(ok, ErrorKind::checkpoint, "cannot use {} ({})", origin, why);
  };
  require(frame.size() >= sizeof(Header) + kEnd.size(),
          fmt::format("{} bytes are too few: it is truncated or something else", frame.size()));
  Header header;
  std::memcpy(&header, frame.data(), sizeof(header));
  require(header.magic == kMagic, "it is not a file of this program");
  require(header.version == kVersion,
          fmt::format("it has format version {}, this program reads {}", header.version, kVersion));
  require(header.header_hash == header.own_hash(), "its header is damaged");
  require(
      header.kind == kind_field(kind),
      fmt::format("it holds '{}' instead of '{}'",
                  std::string(header.kind.data(), strnlen(header.kind.data(), header.kind.size())), kind));
  const auto stored = frame.subspan(sizeof(Header), frame.size() - sizeof(Header) - kEnd.size());
  require(header.stored_length == stored.size(),
          fmt::format("{} stored bytes instead of {}: it is truncated or continued", stored.size(),
                      header.stored_length));
  require(std::memcmp(stored.data() + stored.size(), kEnd.data(), kEnd.size()) == 0,
          "its end mark is damaged");
  require(header.stored_hash == hash_bytes(stored), "its checksum does not match: it is damaged");
  require(header.raw_length <= max_bytes,
          fmt::format("it needs {} bytes, {} are allowed", header.raw_length, max_bytes));
  require(ZSTD_getFrameContentSize(stored.data(), stored.size()) == header.raw_length,
          "its two lengths do not agree");
  std::vector<std::byte> raw(header.raw_length);
  require(ZSTD_decompress(raw.data(), raw.size(), stored.data(), stored.size()) == raw.size(),
          "it cannot be decompressed");
  return raw;
}

}  // namespace apq::io
