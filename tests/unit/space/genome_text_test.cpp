// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "apq/core/error.hpp"
#include "unit/space/spaces.hpp"

namespace apq::space {
namespace {

using ::testing::HasSubstr;
using testing::imagenet_options;
using testing::tiny_options;

std::string why_refused(const SearchSpace& space, const std::string& text) {
  try {
    space.from_text(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    return error.what();
  }
  ADD_FAILURE() << "accepted " << text;
  return {};
}

TEST(GenomeText, ReadsAsDocumented) {
  const SearchSpace space(tiny_options());
  Genome g = space.largest();
  g.blocks[1] = {0, 0, {1, 0, 0, 1}};
  EXPECT_EQ(space.to_text(g), "k7w16p8.8d8.8+k3w8p8.4d4.8");
}

TEST(GenomeText, ComesBackAsTheCanonicalGenome) {
  const SearchSpace space(imagenet_options());
  for (std::uint64_t i = 0; i < 300; ++i) {
    RandomStream random(5, Purpose::test, i);
    const Genome g = space.sample(random);
    const std::string text = space.to_text(g);
    EXPECT_EQ(text.find_first_of(", \t\n"), std::string::npos);
    EXPECT_EQ(space.from_text(text), space.canonical(g));
  }
}

TEST(GenomeText, WrongTextsAreRefusedWithPlaceReasonAndChoices) {
  const SearchSpace space(tiny_options());
  EXPECT_THAT(why_refused(space, "k3w8p8.8d8.8|k3w8p8.8d8.8"), HasSubstr("2 stages (the space has 1)"));
  EXPECT_THAT(why_refused(space, "k3w8p8.8d8.8+k3w8p8.8d8.8+k3w8p8.8d8.8"),
              HasSubstr("3 blocks (the space allows 1, 2)"));
  EXPECT_THAT(why_refused(space, "k3w8p8.8d8.8+k5w8p8.8d8.8"),
              HasSubstr("stage 0 block 1: kernel 5 is no choice (the space allows 3, 7)"));
  EXPECT_THAT(why_refused(space, "k3w12p8.8d8.8"),
              HasSubstr("width 12 is no choice (the space allows 8, 16)"));
  EXPECT_THAT(why_refused(space, "k3w8p6.8d8.8"), HasSubstr("pointwise weight bits 6"));
  EXPECT_THAT(why_refused(space, "k7w8p8.8d8.4"), HasSubstr("forbid_k7_dw4"));
  EXPECT_THAT(why_refused(space, "k3w8p8.8d8.8x"), HasSubstr("expected the end"));
  EXPECT_THAT(why_refused(space, "k3w8p8.8d8."), HasSubstr("a number for the depthwise activation bits"));
  EXPECT_THAT(why_refused(space, "k99999999999w8p8.8d8.8"), HasSubstr("a number for the kernel"));
  EXPECT_THAT(why_refused(space, ""), HasSubstr("'k' before the kernel"));
  EXPECT_THAT(why_refused(space, "\xc3(\n"), HasSubstr("\"?(?\""));
}

TEST(GenomeText, RandomBytesAndDamagedTextsNeverCrash) {
  const SearchSpace space(tiny_options());
  const std::string alphabet = "kwpd.+|0123456789-";
  RandomStream random(9, Purpose::test);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    if (i % 2 == 0) {
      text = space.to_text(space.largest());
      for (std::uint32_t n = 1 + random.below(3); n > 0; --n)
        text[random.below(static_cast<std::uint32_t>(text.size()))] = alphabet[random.below(18)];
    } else {
      for (std::uint32_t n = random.below(40); n > 0; --n)
        text += i % 4 == 1 ? static_cast<char>(random.below(256)) : alphabet[random.below(18)];
    }
    try {
      const Genome g = space.from_text(text);
      EXPECT_TRUE(space.valid(g));
      EXPECT_EQ(space.from_text(space.to_text(g)), g);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      ++refused;
    }
  }
  EXPECT_GT(refused, 15000);
}

}  // namespace
}  // namespace apq::space
