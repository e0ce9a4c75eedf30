// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <gtest/gtest.h>

#include <cstring>

#include "apq/comm/communicator.hpp"
#include "apq/core/error.hpp"

namespace apq::comm {
namespace {

Bytes bytes(const char* text) {
  const auto* first = reinterpret_cast<const std::byte*>(text);
  return {first, first + std::strlen(text)};
}

TEST(Serial, IsTheRootOfOne) {
  const auto comm = make_serial();
  EXPECT_EQ(comm->rank(), 0);
  EXPECT_EQ(comm->size(), 1);
  EXPECT_TRUE(comm->root());
}

TEST(Serial, CollectivesOfOneKeepTheValue) {
  const auto comm = make_serial();
  comm->barrier();
  Bytes text = bytes("weights");
  comm->broadcast(text);
  EXPECT_EQ(text, bytes("weights"));
  EXPECT_EQ(comm->all_gather(text), std::vector<Bytes>{text});
  std::vector<float> values{1.5f, -2};
  comm->sum(std::span(values));
  EXPECT_EQ(values, (std::vector<float>{1.5f, -2}));
  EXPECT_EQ(comm->max(-7), -7);
}

TEST(Serial, MessagesToItselfArriveInOrderPerTag) {
  const auto comm = make_serial();
  comm->send(bytes("a"), 0, 1);
  comm->send(bytes("b"), 0, 2);
  comm->send(bytes("c"), 0, 1);
  EXPECT_EQ(comm->receive(0, 2), bytes("b"));
  EXPECT_EQ(comm->receive(0, 1), bytes("a"));
  EXPECT_EQ(comm->receive(0, 1), bytes("c"));
}

TEST(Serial, WhatEndsLaterIsHereAtOnce) {
  const auto comm = make_serial();
  const auto message = comm->receive_later(0, 1);
  comm->send(bytes("a"), 0, 1);
  EXPECT_TRUE(message->here());
  EXPECT_EQ(message->get(), bytes("a"));
  EXPECT_EQ(comm->max_later(-7)->get(), -7);
}

TEST(Serial, WhatWouldWaitForEverIsRefused) {
  const auto comm = make_serial();
  EXPECT_THROW(comm->receive(0, 1), Error);
  EXPECT_THROW(comm->send({}, 1, 1), Error);
  Bytes none;
  EXPECT_THROW(comm->broadcast(none, 1), Error);
}

TEST(Serial, TheCounterCountsFromZeroAfterEachReset) {
  const auto comm = make_serial();
  for (int round = 0; round < 2; ++round) {
    comm->reset_counter();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(comm->fetch_add(), i);
  }
}

TEST(Serial, AbortEndsTheProcessWithTheCode) {
  EXPECT_EXIT(make_serial()->abort(6), testing::ExitedWithCode(6), "");
}

TEST(LibraryVersion, IsANameAndANumberOnOneLine) {
  EXPECT_EQ(library_version().find_first_of(",\n"), std::string::npos);
  EXPECT_NE(library_version().find_first_of("0123456789"), std::string::npos);
}

}  // namespace
}  // namespace apq::comm
