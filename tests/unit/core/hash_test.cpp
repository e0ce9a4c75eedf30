// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/hash.hpp"

#include <gtest/gtest.h>

namespace apq {
namespace {

TEST(Hash, EmptyInputGivesThePublishedXxh3Value) { EXPECT_EQ(hash_text(""), 0x2d06800538d394c2u); }

TEST(Hash, BytesAndTextAgree) {
  const std::string text = "channel pruning";
  EXPECT_EQ(hash_text(text, 5), hash_bytes(std::as_bytes(std::span(text)), 5));
}

TEST(Hash, SeedAndEveryByteMatter) {
  std::string text(300, 'a');
  const std::uint64_t plain = hash_text(text);
  EXPECT_NE(plain, hash_text(text, 1));
  for (char& c : text) {
    c = 'b';
    EXPECT_NE(plain, hash_text(text));
    c = 'a';
  }
}

TEST(Hash, HexHasSixteenDigits) {
  EXPECT_EQ(hex(0), "0000000000000000");
  EXPECT_EQ(hex(0xfedcba9876543210u), "fedcba9876543210");
}

}  // namespace
}  // namespace apq
