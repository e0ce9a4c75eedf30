// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/island/topology.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "apq/core/error.hpp"

namespace apq::island {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Topology, HandDrawnNeighbours) {
  EXPECT_THAT(neighbours("ring", 2, 4), ElementsAre(3));
  EXPECT_THAT(neighbours("ring", 3, 4), ElementsAre(0));
  EXPECT_THAT(neighbours("bidirectional_ring", 0, 5), ElementsAre(1, 4));
  EXPECT_THAT(neighbours("torus", 5, 12), ElementsAre(1, 4, 6, 9));  // 3 x 4
  EXPECT_THAT(neighbours("torus", 0, 12), ElementsAre(1, 3, 4, 8));
  EXPECT_THAT(neighbours("torus", 0, 7), ElementsAre(1, 6));  // 1 x 7
  EXPECT_THAT(neighbours("hypercube", 5, 8), ElementsAre(1, 4, 7));
  EXPECT_THAT(neighbours("hypercube", 5, 6), ElementsAre(1, 4));  // no island 7
  EXPECT_THAT(neighbours("fully_connected", 1, 4), ElementsAre(0, 2, 3));
  EXPECT_THAT(neighbours("none", 1, 4), IsEmpty());
}

TEST(Topology, NeighboursExistAreAscendingAndNeverTheIslandItself) {
  for (const std::string& name : topologies())
    for (int n = 1; n <= 20; ++n)
      for (int i = 0; i < n; ++i) {
        const auto targets = neighbours(name, i, n);
        EXPECT_TRUE(std::ranges::is_sorted(targets, std::less_equal<>{}) || targets.size() < 2) << name;
        for (const int t : targets) EXPECT_TRUE(t >= 0 && t < n && t != i) << name << " " << i << " of " << n;
      }
}

TEST(Topology, AllButTheRingAreSymmetric) {
  for (const std::string name : {"bidirectional_ring", "torus", "hypercube", "fully_connected"})
    for (int n = 1; n <= 20; ++n)
      for (int i = 0; i < n; ++i)
        for (const int t : neighbours(name, i, n))
          EXPECT_THAT(neighbours(name, t, n), testing::Contains(i)) << name << " " << n;
}

TEST(Topology, EveryIslandReachesEveryOther) {
  for (const std::string name : {"ring", "bidirectional_ring", "torus", "hypercube", "fully_connected"})
    for (int n = 1; n <= 20; ++n) {
      std::vector<int> open{0};
      std::set<int> reached{0};
      while (!open.empty()) {
        const int i = open.back();
        open.pop_back();
        for (const int t : neighbours(name, i, n))
          if (reached.insert(t).second) open.push_back(t);
      }
      EXPECT_EQ(static_cast<int>(reached.size()), n) << name;
    }
}

TEST(Topology, DegreesAreThoseOfTheName) {
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(neighbours("ring", i, 16).size(), 1u);
    EXPECT_EQ(neighbours("bidirectional_ring", i, 16).size(), 2u);
    EXPECT_EQ(neighbours("torus", i, 16).size(), 4u);
    EXPECT_EQ(neighbours("hypercube", i, 16).size(), 4u);
    EXPECT_EQ(neighbours("fully_connected", i, 16).size(), 15u);
  }
}

TEST(Topology, AnUnknownNameIsAUsageErrorThatListsTheNames) {
  try {
    neighbours("star", 0, 4);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    for (const std::string& name : topologies()) EXPECT_THAT(error.what(), testing::HasSubstr(name));
  }
}

}  // namespace
}  // namespace apq::island
