// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/report/active.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apq/core/error.hpp"
#include "report/active_table.hpp"

namespace apq::report {
namespace {

using testing::HasSubstr;

std::vector<ActiveArm> arms(const std::string& rows) {
  return read_arms(io::parse_csv("seed,arm,pairs,hypervolume\n" + rows, "table"), "table");
}

TEST(ActiveReport, DifferencesAreTakenSeedBySeed) {
  const std::string text =
      active_headline(arms("1,active,98,0.020\n1,random,98,0.030\n2,active,98,0.050\n2,random,98,0.010\n"
                           "3,active,98,0.040\n3,random,98,0.020\n"));
  EXPECT_THAT(text, HasSubstr("as many random pairs (98)"));
  EXPECT_THAT(text, HasSubstr("+2.00 points (median over 3 seeds, -1.00 to +4.00; 2 of 3 above 0)"));
}

TEST(ActiveReport, ASeedThatOnlyOneArmHasIsLeftOut) {
  EXPECT_EQ(differences({{"1", 0.5}, {"2", 0.5}}, {{"2", 0.25}, {"3", 0.1}}), (BySeed{{"2", 0.25}}));
  EXPECT_EQ(differences_text({}), "not measured");
}

TEST(ActiveReport, ArmsKeepTheirOrderAndNonsenseIsADataError) {
  const auto all = arms("1,active,98,0.02\n1,random,98,0.03\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].name, "random");
  EXPECT_DOUBLE_EQ(all[1].figures.at("hypervolume").at("1"), 0.03);
  for (const char* rows : {"1,active,98,much\n", "1,active,98,0.2\n"}) {
    try {
      active_headline(arms(rows));
      ADD_FAILURE() << "no error for " << rows;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
    }
  }
}

}  // namespace
}  // namespace apq::report
