// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/hw/layer_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "apq/core/error.hpp"
#include "apq/hw/bitfusion.hpp"
#include "unit/space/spaces.hpp"

namespace apq::hw {
namespace {

using space::SearchSpace;
using space::testing::tiny_options;

/// Every layer of the space with a latency that tells where it stands.
LayerTable table_of(const SearchSpace& space) {
  LayerTable table;
  table.by_role = true;
  double ms = 1;
  for (const space::LayerSpec& layer : distinct_layers(space, Counting::everything))
    table.rows.push_back({layer, {ms++, 0.5}, 0, 0});
  return table;
}

TEST(TableDevice, ChargesANetworkTheSumOfItsRowsAndWhatItTakesBesides) {
  const SearchSpace space(tiny_options());
  LayerTable table = table_of(space);
  table.network_ms = 1000;
  const CostModel model(space, std::make_shared<TableDevice>(table, "t", "1"), Counting::everything);
  const space::Genome g = space.largest();
  double ms = 1000;
  for (const space::LayerSpec& layer : space.expand(g))
    for (const LayerRow& row : table.rows)
      if (row.layer.shape() == layer.shape()) ms += row.cost.latency_ms;
  EXPECT_DOUBLE_EQ(model.cost(g, Metric::latency_ms), ms);
  EXPECT_DOUBLE_EQ(model.cost_by_layers(g)[Metric::latency_ms], ms);
  EXPECT_DOUBLE_EQ(model.cost(g, Metric::energy_mj), 0.5 * static_cast<double>(space.expand(g).size()));
}

TEST(TableDevice, ListsEveryLayerThatIsMissing) {
  const SearchSpace space(tiny_options());
  LayerTable table = table_of(space);
  const std::string first = table.rows[1].layer.shape(), second = table.rows.back().layer.shape();
  table.rows.erase(table.rows.begin() + 1);
  table.rows.pop_back();
  try {
    CostModel(space, std::make_shared<TableDevice>(table, "cpu.json", "1"), Counting::everything);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    for (const std::string& part : {std::string("cpu.json does not know 2 of"), first, second})
      EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
  }
}

TEST(TableDevice, EightBitContainersServeFewerBitsAndFloatsAreRowsOfTheirOwn) {
  space::LayerSpec layer;
  layer.cin = 8;
  layer.cout = 16;
  layer.size = 7;
  LayerTable table;
  table.int8_containers = true;
  table.rows = {{layer, {2, std::numeric_limits<double>::quiet_NaN()}, 0, 0}};
  layer.weight_bits = layer.activation_bits = kFloatBits;
  table.rows.push_back({layer, {5, 0}, 0, 0});
  layer.weight_bits = 4;
  layer.activation_bits = 6;
  EXPECT_EQ(TableDevice(table, "t", "1").layer(layer).latency_ms, 2);
  EXPECT_EQ(TableDevice(table, "t", "1", true).layer(layer).latency_ms, 5);
  table.int8_containers = false;
  EXPECT_FALSE(TableDevice(table, "t", "1").knows(layer));
  EXPECT_THROW(TableDevice(table, "t", "1").layer(layer), Error);
}

TEST(TableDevice, RolesTellEqualShapesApartOnlyWhereTheTableSaysSo) {
  space::LayerSpec expand, project;
  expand.cin = project.cin = expand.cout = project.cout = 8;
  expand.size = project.size = 7;
  project.role = space::LayerRole::project;
  project.residual = true;
  LayerTable table;
  table.by_role = true;
  table.rows = {{expand, {2, 0}, 0, 0}, {project, {3, 0}, 0, 0}};
  EXPECT_EQ(TableDevice(table, "t", "1").layer(expand).latency_ms, 2);
  EXPECT_EQ(TableDevice(table, "t", "1").layer(project).latency_ms, 3);
  table.by_role = false;
  table.rows.pop_back();
  EXPECT_EQ(TableDevice(table, "t", "1").layer(project).latency_ms, 2);
}

TEST(CostModel, TakesSavedAnswersOfTheDeviceAndOtherwiseAsksIt) {
  const SearchSpace space(tiny_options());
  const auto device = device_from_name("bitfusion");
  const CostModel asked(space, device, Counting::apq);
  std::vector<double> doubled = asked.layer_costs();
  for (double& value : doubled) value *= 2;
  const space::Genome g = space.largest();
  const CostModel saved(space, device, Counting::apq, doubled);
  EXPECT_DOUBLE_EQ(saved.cost(g, Metric::latency_ms), 2 * asked.cost(g, Metric::latency_ms));
  doubled.pop_back();
  const CostModel unfit(space, device, Counting::apq, doubled);
  EXPECT_EQ(unfit.cost(g).values, asked.cost(g).values);
}

}  // namespace
}  // namespace apq::hw
