// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/fault.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "apq/core/error.hpp"

namespace apq::fault {
namespace {

class Fault : public testing::Test {
 protected:
  void TearDown() override {
    disarm();
    ::unsetenv("APQ_FAULT");
  }
};

TEST_F(Fault, HappensOnceAtTheNthPassageOfAPointThatBeginsSo) {
  arm("io:2:ENOSPC");
  EXPECT_EQ(point("generation"), 0);
  EXPECT_EQ(point("io.open"), 0);
  EXPECT_FALSE(happened());
  EXPECT_EQ(point("io.write"), ENOSPC);
  EXPECT_TRUE(happened());
  EXPECT_EQ(point("io.fsync"), 0);
}

TEST_F(Fault, WithAPlusItStays) {
  arm("io.fsync:2+:EIO");
  EXPECT_EQ(point("io.fsync"), 0);
  EXPECT_EQ(point("io.open"), 0);
  EXPECT_EQ(point("io.fsync"), EIO);
  EXPECT_EQ(point("io.fsync"), EIO);
}

TEST_F(Fault, SeveralCountForThemselves) {
  arm("io.fsync:2:EIO,io:3:ENOSPC,x:1:diverge");
  EXPECT_EQ(point("io.fsync"), 0);
  EXPECT_EQ(point("io.fsync"), EIO);
  EXPECT_EQ(point("io.open"), ENOSPC);
  try {
    point("x");
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
  }
}

TEST_F(Fault, FromTheEnvironmentItIsForOneRankOrAll) {
  ::setenv("APQ_FAULT", "io:1:EIO@1", 1);
  arm_from_environment(0);
  EXPECT_EQ(point("io"), 0);
  arm_from_environment(1);
  EXPECT_EQ(point("io"), EIO);
  ::setenv("APQ_FAULT", "io:1:EIO", 1);
  arm_from_environment(7);
  EXPECT_EQ(point("io"), EIO);
}

TEST_F(Fault, KillsThrowsAndIsNothingUnlessArmed) {
  EXPECT_EQ(point("io"), 0);
  arm("x:1:throw");
  EXPECT_THROW(point("x"), Error);
  EXPECT_EXIT(
      {
        arm("x:1:kill");
        point("x");
      },
      testing::KilledBySignal(SIGKILL), "");
}

TEST_F(Fault, ThatCannotBeUnderstoodIsAUsageError) {
  for (const char* spec : {"", "x", "x:1", "x:0:kill", "x:-1:kill", "x:one:kill", ":1:kill", "x:1:explode",
                           "x:1:kill@a", "x:1:kill:2", "x:1:kill,y"})
    EXPECT_THROW(arm(spec), Error) << spec;
}

}  // namespace
}  // namespace apq::fault
