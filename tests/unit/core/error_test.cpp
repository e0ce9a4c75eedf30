// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apq {
namespace {

TEST(Error, CarriesItsTextAndExitCode) {
  try {
    fail(ErrorKind::data, "cannot read {} (it has {} bytes)", "a.idx", 3);
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cannot read a.idx (it has 3 bytes)");
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_EQ(error.exit_code(), 3);
    return;
  }
  FAIL() << "nothing was thrown";
}

TEST(Error, ValidateThrowsOnlyWhenTheConditionFails) {
  EXPECT_NO_THROW(validate(true, ErrorKind::usage, "no"));
  EXPECT_THROW(validate(false, ErrorKind::usage, "value {} is too large", 7), Error);
}

TEST(Error, AssertNamesConditionFileAndLine) {
  try {
    APQ_ASSERT(1 + 1 == 3);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 1);
    EXPECT_THAT(error.what(),
                testing::AllOf(testing::HasSubstr("1 + 1 == 3"), testing::HasSubstr("error_test.cpp:")));
    return;
  }
  FAIL() << "nothing was thrown";
}

}  // namespace
}  // namespace apq
