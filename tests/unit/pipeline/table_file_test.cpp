// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/table_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "apq/core/error.hpp"
#include "apq/io/files.hpp"

namespace apq::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> problems_of(const std::string& text) {
  std::vector<std::string> problems;
  parse_table(text, "t.json", problems);
  return problems;
}

const std::string kHead = R"({"format": "apq layer table 1", "device": "cpu", "units": {"latency": "us"},
"keys": "role", "containers": "int8", "network": {"int8": 3}, "provenance": {"host": "h"}, "layers": [)";
const std::string kRow = R"({"cin": 8, "cout": 16, "size": 7, "kernel": 1, "stride": 1, "groups": 1,
"weight_bits": 8, "activation_bits": 8, "role": "expand", "residual": false, "latency": 2.5})";

TEST(TableFile, ReadsItsOwnFormatWithUnits) {
  std::vector<std::string> problems;
  const hw::LayerTable table = parse_table(kHead + kRow + "]}", "t.json", problems);
  EXPECT_THAT(problems, ElementsAre());
  EXPECT_TRUE(table.by_role && table.int8_containers && !table.has_energy);
  EXPECT_DOUBLE_EQ(table.network_ms, 0.003);
  ASSERT_EQ(table.rows.size(), 1u);
  EXPECT_DOUBLE_EQ(table.rows[0].cost.latency_ms, 0.0025);
  EXPECT_TRUE(std::isnan(table.rows[0].cost.energy_mj));
  EXPECT_EQ(table.provenance.at("host"), "h");
}

TEST(TableFile, WhatIsWrittenComesBack) {
  hw::LayerTable table;
  table.device = "some \"device\"";
  table.by_role = true;
  table.network_ms = 0.1;
  table.provenance = {{"host", "a}b"}, {"date", "today"}};
  space::LayerSpec layer;
  layer.kind = space::LayerKind::depthwise;
  layer.role = space::LayerRole::depthwise;
  layer.cin = layer.cout = 48;
  layer.size = 14;
  layer.kernel = 5;
  layer.stride = 2;
  layer.weight_bits = 4;
  table.rows.push_back({layer, {1.0 / 3, 0.25}, 0.01, 200});
  for (const bool with_provenance : {true, false}) {
    if (!with_provenance) table.provenance.clear();
    std::vector<std::string> problems;
    const hw::LayerTable read = parse_table(table_json(table), "t.json", problems);
    EXPECT_THAT(problems, ElementsAre());
    EXPECT_EQ(read.device, table.device);
    EXPECT_EQ(read.provenance, table.provenance);
    EXPECT_EQ(read.network_ms, table.network_ms);
    ASSERT_EQ(read.rows.size(), 1u);
    EXPECT_EQ(read.rows[0].layer.shape(), layer.shape());
    EXPECT_EQ(read.rows[0].cost.latency_ms, 1.0 / 3);
    EXPECT_EQ(read.rows[0].cost.energy_mj, 0.25);
    EXPECT_EQ(read.rows[0].repeats, 200);
  }
}

TEST(TableFile, ReadsAndWritesThePublicTable) {
  const char* folder = std::getenv("APQ_SHARED_DATA");
  const std::string path =
      std::string(folder ? folder : APQ_SOURCE_DIR "/../shared/data") + "/bitfusion_b1_half.json";
  std::vector<std::string> problems;
  const hw::LayerTable table = parse_table(io::read_text(path), path, problems);
  EXPECT_THAT(problems, ElementsAre());
  ASSERT_EQ(table.rows.size(), 3341u);
  const hw::LayerTable again = parse_table(public_table_json(table), "again", problems);
  EXPECT_THAT(problems, ElementsAre());
  ASSERT_EQ(again.rows.size(), table.rows.size());
  for (std::size_t i = 0; i < again.rows.size(); ++i) {
    EXPECT_EQ(again.rows[i].layer.shape(), table.rows[i].layer.shape());
    EXPECT_EQ(again.rows[i].cost.latency_ms, table.rows[i].cost.latency_ms);
    EXPECT_EQ(again.rows[i].cost.energy_mj, table.rows[i].cost.energy_mj);
  }
  // The stem, known as "head" there.
  space::LayerSpec stem;
  stem.kind = space::LayerKind::dense;
  stem.cin = 3;
  stem.cout = 32;
  stem.size = 224;
  stem.kernel = 3;
  stem.stride = 2;
  EXPECT_EQ(hw::TableDevice(table, "t", "1").layer(stem).latency_ms, 0.295904);
}

TEST(TableFile, EverythingWrongIsListedAtOnce) {
  const std::string text =
      R"({"format": "apq layer table 1", "device": "cpu", "units": {}, "keys": "shape", "layers": [
{"cin": 8, "cout": 16, "size": 7, "kernel": 1, "stride": 1, "groups": 1, "weight_bits": 8, "activation_bits": 8, "latency": -1},
{"cin": 8, "cout": 24, "size": 7, "kernel": 1, "stride": 1, "groups": 1, "weight_bits": 8, "activation_bits": 8, "latency": NaN},
{"cin": 8, "cout": 32, "size": 7, "kernel": 1, "stride": 1, "groups": 1, "weight_bits": 8, "activation_bits": 8, "latency": 1e999},
{"cout": 16, "size": 7, "kernel": 1, "stride": 1, "groups": 1, "weight_bits": 8, "activation_bits": 8},
{"cin": 8, "cout": 16, "size": 7, "kernel": 1, "stride": 1, "groups": 1, "weight_bits": 8, "activation_bits": 8, "latency": 1}]})";
  const std::vector<std::string> problems = problems_of(text);
  EXPECT_THAT(problems,
              ElementsAre("t.json: the unit of latency is absent (known: ms, us, s)",
                          "t.json: layers[0]: latency is -1 (no cost is negative)",
                          "t.json: layers[1]: latency is \"NaN\" (a finite number is needed)",
                          "t.json: layers[2]: latency is \"1e999\" (a finite number is needed)",
                          HasSubstr("layers[3]: cin is missing"), HasSubstr("layers[3]: latency is missing"),
                          HasSubstr("layers[4]: its layer stands twice")));
}

TEST(TableFile, EverythingWrongInAPublicTableIsListedAtOnce) {
  EXPECT_THAT(problems_of(R"({"(8, 16, 7, 1, 1, 0, 1)-W8A8": {"latency": -1},
 "(8, 16, 7, 1, 1, 0, 1)-W8": {"latency": 1, "energy": 1}, "(8, 8, 7, 3, 1, 1, 8)-W4A8": {"latency": Infinity, "energy": 1}})"),
              ElementsAre(HasSubstr("latency is -1"), HasSubstr("energy is missing"), HasSubstr("is no key"),
                          HasSubstr("latency is \"Infinity\"")));
}

TEST(TableFile, WhatIsNoTableIsRefused) {
  for (const char* text : {"", "[]", "{}", "42", "{\"format\"", "\xff\xfe"})
    EXPECT_THROW(problems_of(text), Error) << text;
  EXPECT_FALSE(problems_of(R"({"format": 7, "layers": 3, "units": 4, "keys": []})").empty());
  EXPECT_FALSE(problems_of(R"({"format": "apq layer table 1", "layers": [1, null, "x", [], {}]})").empty());
  EXPECT_THAT(problems_of(R"({"format": "apq layer table 1", "format": "apq layer table 1"})"),
              ::testing::Contains(HasSubstr("\"format\" stands twice")));
}

}  // namespace
}  // namespace apq::pipeline
