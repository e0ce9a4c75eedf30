// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/io/archive.hpp"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "apq/core/hash.hpp"
#include "io/frame.hpp"
#include "unit/io/scratch.hpp"

namespace apq::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Frame = std::vector<std::byte>;

Archive small() {
  Archive archive;
  archive.put("name", "island");
  archive.put("generation", std::int64_t{-3});
  archive.put("loss", 0.1);
  archive.put("weights", std::vector<float>{1.5f, -0.0f, 3e-41f});
  archive.put("fitness", std::vector<double>{1.0 / 3});
  archive.put("genes", std::vector<std::int64_t>{1, -2});
  archive.put("mask", std::vector<std::uint8_t>{0, 255});
  return archive;
}

Caught reading(std::span<const std::byte> frame, std::size_t max_bytes = 1 << 20) {
  return caught([&] { Archive::from_frame(frame, "test", "the message", max_bytes); });
}

TEST(Archive, ReturnsEveryTypeBitByBit) {
  const Archive copy = Archive::from_frame(small().to_frame("test"), "test", "memory");
  EXPECT_EQ(copy.text("name"), "island");
  EXPECT_EQ(copy.integer("generation"), -3);
  EXPECT_EQ(copy.real("loss"), 0.1);
  EXPECT_EQ(copy.floats("weights"), (std::vector<float>{1.5f, -0.0f, 3e-41f}));
  EXPECT_TRUE(std::signbit(copy.floats("weights")[1]));
  EXPECT_EQ(copy.doubles("fitness"), std::vector<double>{1.0 / 3});
  EXPECT_EQ(copy.integers("genes"), (std::vector<std::int64_t>{1, -2}));
  EXPECT_EQ(copy.bytes("mask"), (std::vector<std::uint8_t>{0, 255}));
}

TEST(Archive, KeepsExtremesEmptyValuesAndAnyText) {
  Archive archive;
  const std::string text("a\0\xff\n", 4);
  const double nan = std::bit_cast<double>(0x7ff8dead0000beefull);
  archive.put(text, text);
  archive.put("", std::string());
  archive.put("least", std::numeric_limits<std::int64_t>::min());
  archive.put("none", std::vector<float>{});
  archive.put("odd", std::vector<double>{nan, std::numeric_limits<double>::infinity()});
  const Archive copy = Archive::from_frame(archive.to_frame("test"), "test", "memory");
  EXPECT_EQ(copy.text(text), text);
  EXPECT_EQ(copy.text(""), "");
  EXPECT_EQ(copy.integer("least"), std::numeric_limits<std::int64_t>::min());
  EXPECT_TRUE(copy.floats("none").empty());
  EXPECT_EQ(std::bit_cast<std::uint64_t>(copy.doubles("odd")[0]), 0x7ff8dead0000beefull);
}

TEST(Archive, EqualContentsGiveEqualBytesWhateverTheOrder) {
  Archive a, b;
  for (const std::int64_t i : {1, 2, 3}) a.put("key" + std::to_string(i), i);
  for (const std::int64_t i : {3, 1, 2}) b.put("key" + std::to_string(i), i);
  EXPECT_EQ(a.to_frame("test"), b.to_frame("test"));
  b.put("key1", std::int64_t{7});
  EXPECT_NE(a.to_frame("test"), b.to_frame("test"));
}

TEST(Archive, PutReplacesWhateverTheKeyHeld) {
  Archive archive;
  archive.put("key", std::int64_t{1});
  archive.put("key", "text");
  EXPECT_EQ(archive.text("key"), "text");
  EXPECT_EQ(caught([&] { archive.integer("key"); }).kind, ErrorKind::checkpoint);
}

TEST(Archive, GettersNameAMissingKeyAndAWrongType) {
  const Archive archive = small();
  EXPECT_TRUE(archive.has("mask"));
  EXPECT_FALSE(archive.has("masks"));
  EXPECT_THAT(caught([&] { archive.floats("bias"); }).text, HasSubstr("key 'bias' is missing"));
  EXPECT_THAT(caught([&] { archive.floats("loss"); }).text, HasSubstr("key 'loss' is of another type"));
}

TEST(Archive, EveryTruncationIsRefused) {
  const Frame frame = small().to_frame("test");
  ASSERT_EQ(reading(frame).text, "nothing");
  for (std::size_t n = 0; n < frame.size(); ++n) {
    const Caught error = reading(std::span(frame).first(n));
    ASSERT_EQ(error.kind, ErrorKind::checkpoint) << n;
    ASSERT_THAT(error.text, HasSubstr("cannot use the message (")) << n;
  }
}

TEST(Archive, EveryDamagedByteIsRefused) {
  Frame frame = small().to_frame("test");
  for (std::size_t i = 0; i < frame.size(); ++i)
    for (const unsigned change : {0x01, 0x80, 0xff}) {
      frame[i] ^= static_cast<std::byte>(change);
      ASSERT_EQ(reading(frame).kind, ErrorKind::checkpoint) << i << " ^ " << change;
      frame[i] ^= static_cast<std::byte>(change);
    }
  EXPECT_EQ(reading(frame).text, "nothing");
}

TEST(Archive, BytesBehindTheEndAreRefused) {
  for (const std::size_t n : {1u, 8u, 4096u}) {
    Frame frame = small().to_frame("test");
    frame.resize(frame.size() + n);
    EXPECT_EQ(reading(frame).kind, ErrorKind::checkpoint) << n;
  }
  Frame twice = small().to_frame("test");
  const Frame again = twice;
  twice.insert(twice.end(), again.begin(), again.end());
  EXPECT_EQ(reading(twice).kind, ErrorKind::checkpoint);
}

TEST(Archive, AnotherKindAndAnotherVersionAreNamed) {
  EXPECT_THAT(reading(small().to_frame("supernet")).text, HasSubstr("it holds 'supernet' instead of 'test'"));
  Frame frame = small().to_frame("test");
  frame[8] = std::byte{2};
  EXPECT_THAT(reading(frame).text, HasSubstr("format version 2, this program reads 1"));
  const std::string text(200, 'x');
  EXPECT_THAT(reading(std::as_bytes(std::span(text))).text, HasSubstr("not a file of this program"));
}

TEST(Archive, MoreThanTheAllowedBytesAreRefused) {
  Archive archive;
  archive.put("zeros", std::vector<float>(1000000));
  const Frame frame = archive.to_frame("test");
  ASSERT_LT(frame.size(), 10000u) << "a small frame that asks for much memory";
  EXPECT_THAT(reading(frame, 1 << 20).text, HasSubstr("1048576 are allowed"));
  EXPECT_EQ(reading(frame, 1 << 22).text, "nothing");
}

/// The content of an archive, to be changed and put into a frame with correct checksums again.
Frame raw_content() { return open_frame(small().to_frame("test"), "test", "memory", 1 << 20); }

TEST(Archive, AForgedCountIsRefusedBeforeMemoryIsTaken) {
  const Frame good = raw_content();
  int refused = 0;
  for (const std::uint64_t count : {std::uint64_t{300000000}, std::uint64_t{1} << 60, ~std::uint64_t{0}})
    for (std::size_t i = 0; i + sizeof(count) <= good.size(); ++i) {
      Frame raw = good;
      std::memcpy(raw.data() + i, &count, sizeof(count));
      const Caught error = reading(make_frame("test", raw));
      ASSERT_TRUE(error.text == "nothing" || error.kind == ErrorKind::checkpoint) << error.text;
      ASSERT_EQ(error.text.find("bad_alloc"), std::string::npos) << error.text;
      refused += error.text != "nothing";
    }
  EXPECT_GT(refused, 0);
}

TEST(Archive, AForgedContentThatIsCutOrContinuedIsRefused) {
  const Frame good = raw_content();
  for (std::size_t n = 0; n < good.size(); ++n)
    ASSERT_EQ(reading(make_frame("test", std::span(good).first(n))).kind, ErrorKind::checkpoint) << n;
  Frame longer = good;
  longer.push_back(std::byte{0});
  EXPECT_THAT(reading(make_frame("test", longer)).text, HasSubstr("1 bytes too many"));
}

TEST(Frame, DamagedCompressedDataWithForgedChecksumsIsRefused) {
  // The stored bytes of a frame begin at 80; their checksum is at 64 and the header's at 72.
  const Frame good = small().to_frame("test");
  for (std::size_t i = 80; i < good.size() - 8; ++i) {
    Frame frame = good;
    frame[i] ^= std::byte{0x10};
    const std::uint64_t stored = hash_bytes(std::span(frame).subspan(80, frame.size() - 88));
    std::memcpy(frame.data() + 64, &stored, 8);
    const std::uint64_t header = hash_bytes(std::span(frame).first(72));
    std::memcpy(frame.data() + 72, &header, 8);
    const Caught error = reading(frame);
    ASSERT_TRUE(error.text == "nothing" || error.kind == ErrorKind::checkpoint) << error.text;
  }
}

// As written by version 0.1.0; whoever changes the format keeps this readable or refuses it by its version.
TEST(Archive, AFrameOfFormatVersion1StaysReadable) {
  const std::string hex =
      "4150514652414d450100000000000000676f6c64656e0000000000000000000000000000000000000000000000000000"
      "8b00000000000000570000000000000099c521758ccc320940999ee784b967c628b52ffd208b7502001403010004006e"
      "616d65060069736c616e6401000a0067656e65726174696f6efdff0007776569676874730200c03f000000c00c003904"
      "621233146190b9296220333028180d8c080604a30da00d41505120454e440a";
  Frame frame;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    frame.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  const Archive archive = Archive::from_frame(frame, "golden", "version 0.1.0");
  EXPECT_EQ(archive.text("name"), "island");
  EXPECT_EQ(archive.integer("generation"), -3);
  EXPECT_EQ(archive.floats("weights"), (std::vector<float>{1.5f, -2}));
}

using ArchiveFile = Scratch;

TEST_F(ArchiveFile, SavesAndLoads) {
  small().save(folder_ / "a.ckpt", "test");
  EXPECT_EQ(Archive::load(folder_ / "a.ckpt", "test").to_frame("test"), small().to_frame("test"));
}

TEST_F(ArchiveFile, AMissingOrStrangeFileIsNamed) {
  const fs::path path = folder_ / "a.ckpt";
  const Caught missing = caught([&] { Archive::load(path, "test"); });
  EXPECT_EQ(missing.kind, ErrorKind::checkpoint);
  EXPECT_THAT(missing.text, AllOf(HasSubstr(path.string()), HasSubstr("No such file")));
  put(path, "");
  EXPECT_THAT(caught([&] { Archive::load(path, "test"); }).text,
              AllOf(HasSubstr(path.string()), HasSubstr("0 bytes")));
}

}  // namespace
}  // namespace apq::io
