// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <gmock/gmock.h>

#include "apq/core/random.hpp"
#include "apq/io/files.hpp"
#include "unit/io/scratch.hpp"

namespace apq::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Row = std::vector<std::string>;

TEST(Csv, WritesHeaderAndRowsAndQuotesOnlyWhatNeedsIt) {
  CsvWriter csv({"name", "latency [ms]"});
  csv.row({"plain", "1.5"});
  csv.row({"a,b", "say \"hi\""});
  csv.row({"two\nlines", ""});
  EXPECT_EQ(csv.text(), "name,latency [ms]\nplain,1.5\n\"a,b\",\"say \"\"hi\"\"\"\n\"two\nlines\",\n");
}

TEST(Csv, ARowOfAnotherLengthIsABug) {
  CsvWriter csv({"a", "b"});
  EXPECT_THROW(csv.row({"1"}), Error);
  EXPECT_THROW(csv.row({"1", "2", "3"}), Error);
}

TEST(Csv, ReadsQuotesEmptyFieldsAndBothLineEnds) {
  const CsvTable table = parse_csv("a,b\r\n1,\"x,\"\"y\"\"\nz\"\r\n,\n\"\",\"\"", "t.csv");
  EXPECT_EQ(table.header, (Row{"a", "b"}));
  EXPECT_EQ(table.rows, (std::vector<Row>{{"1", "x,\"y\"\nz"}, {"", ""}, {"", ""}}));
}

TEST(Csv, ReadsBackWhatItWrites) {
  RandomStream stream(1, Purpose::test);
  const std::string alphabet = "ab,\"\n\r ;";
  for (int trial = 0; trial < 500; ++trial) {
    const std::size_t columns = 1 + stream.below(3);
    const auto random_row = [&] {
      Row row(columns);
      for (auto& field : row)
        for (std::uint32_t n = stream.below(5); n > 0; --n) field += alphabet[stream.below(8)];
      return row;
    };
    const Row header = random_row();
    CsvWriter csv(header);
    std::vector<Row> rows(stream.below(4));
    for (auto& row : rows) csv.row(row = random_row());
    const CsvTable table = parse_csv(csv.text(), "t.csv");
    ASSERT_EQ(table.header, header) << csv.text();
    ASSERT_EQ(table.rows, rows) << csv.text();
  }
}

TEST(Csv, ColumnsAreFoundByName) {
  const CsvTable table = parse_csv("a,b\n", "t.csv");
  EXPECT_EQ(table.column("b"), 1u);
  const Caught error = caught([&] { table.column("c"); });
  EXPECT_EQ(error.kind, ErrorKind::data);
  EXPECT_THAT(error.text, AllOf(HasSubstr("'c'"), HasSubstr("a, b")));
}

TEST(Csv, BrokenRowsAreNamedByFileAndLine) {
  const auto error = [](const std::string& text) { return caught([&] { parse_csv(text, "t.csv"); }); };
  EXPECT_EQ(error("").kind, ErrorKind::data);
  EXPECT_THAT(error("").text, HasSubstr("t.csv:1"));
  EXPECT_THAT(error("a,b\n1,2\n1\n").text,
              AllOf(HasSubstr("t.csv:3"), HasSubstr("1 fields, the header has 2")));
  EXPECT_THAT(error("a,b\n1,2,3\n").text, AllOf(HasSubstr("t.csv:2"), HasSubstr("3 fields")));
  EXPECT_THAT(error("a,b\n\"x\ny\",2\n1,2,3\n").text, HasSubstr("t.csv:4"));
  EXPECT_THAT(error("a\n\n").text, HasSubstr("nothing"));
  EXPECT_THAT(error("a,b\n\n").text, HasSubstr("t.csv:2"));
  EXPECT_THAT(error("a\n\"open\nstill\n").text, AllOf(HasSubstr("t.csv:2"), HasSubstr("never closed")));
  EXPECT_THAT(error("a\n\"x\"y\n").text, AllOf(HasSubstr("t.csv:2"), HasSubstr("closing quote")));
  EXPECT_THAT(error("a\nx\"y\n").text, AllOf(HasSubstr("t.csv:2"), HasSubstr("quote inside")));
  EXPECT_THAT(error("a\nx\ry\n").text, HasSubstr("t.csv:2"));
}

}  // namespace
}  // namespace apq::io
