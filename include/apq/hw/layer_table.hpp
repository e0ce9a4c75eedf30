// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "apq/hw/cost_model.hpp"

namespace apq::hw {

/// Bits of a layer that runs in 32-bit floats.
inline constexpr int kFloatBits = 32;

/// What one layer was measured, or is said, to cost.
struct LayerRow {
  space::LayerSpec layer;  ///< kind, role, shape, bits, residual
  Device::LayerCost cost;  ///< energy NaN: unknown
  double spread_ms = 0;    ///< upper minus lower quartile of the repeats
  int repeats = 0;         ///< 0: not measured here
};

/// Costs by layer, as a file holds them.
struct LayerTable {
  std::string device;    ///< "cpu", "bitfusion"
  bool by_role = false;  ///< equal shapes in other roles, or with a residual connection, are other layers
  bool int8_containers = false;  ///< rows of 8 bits serve all fewer bits
  bool has_energy = true;
  double network_ms = 0;        ///< of a network besides its layers
  double float_network_ms = 0;  ///< the same in 32-bit floats
  std::map<std::string, std::string> provenance;
  std::vector<LayerRow> rows;
};

/// A table as a device: it knows the layers that it has rows for. Of two rows for one layer the last counts.
class TableDevice final : public Device {
 public:
  /// `name` is what errors call it, `content` what tells its content from others (a hash). With
  /// `float_layers`, every layer is charged as its row of 32-bit floats.
  TableDevice(const LayerTable& table, std::string name, std::string content, bool float_layers = false);
  std::string name() const override { return name_; }
  std::string describe() const override { return "table " + content_; }
  LayerCost layer(const space::LayerSpec& layer) const override;
  bool knows(const space::LayerSpec& layer) const override { return find(layer) != nullptr; }
  LayerCost network() const override { return {network_ms_, 0}; }

 private:
  using Key = std::array<int, 10>;
  Key key(const space::LayerSpec& layer) const;
  const LayerCost* find(const space::LayerSpec& layer) const;

  std::string name_, content_;
  bool by_role_, int8_containers_, float_layers_;
  double network_ms_;
  std::map<Key, LayerCost> costs_;
};

}  // namespace apq::hw
