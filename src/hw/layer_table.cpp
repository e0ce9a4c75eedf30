// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/hw/layer_table.hpp"

#include "apq/core/error.hpp"

namespace apq::hw {

TableDevice::TableDevice(const LayerTable& table, std::string name, std::string content, bool float_layers)
    : name_(std::move(name)),
      content_(std::move(content) + (float_layers ? ", float" : "")),
      by_role_(table.by_role),
      int8_containers_(table.int8_containers),
      float_layers_(float_layers),
      network_ms_(float_layers ? table.float_network_ms : table.network_ms) {
  for (const LayerRow& row : table.rows)
    if ((row.layer.weight_bits == kFloatBits) == float_layers) costs_[key(row.layer)] = row.cost;
}

TableDevice::Key TableDevice::key(const space::LayerSpec& l) const {
  const auto bits = [&](int b) { return float_layers_ ? kFloatBits : int8_containers_ && b < 8 ? 8 : b; };
  return {l.cin,
          l.cout,
          l.size,
          l.kernel,
          l.stride,
          l.groups(),
          bits(l.weight_bits),
          bits(l.activation_bits),
          by_role_ ? static_cast<int>(l.role) : 0,
          by_role_ ? static_cast<int>(l.residual) : 0};
}

const Device::LayerCost* TableDevice::find(const space::LayerSpec& layer) const {
  const auto found = costs_.find(key(layer));
  return found == costs_.end() ? nullptr : &found->second;
}

Device::LayerCost TableDevice::layer(const space::LayerSpec& layer) const {
  const LayerCost* cost = find(layer);
  validate(cost != nullptr, ErrorKind::data, "{} has no row for {} (it was made for other layers) measure it",
           name_, layer.shape());
  return *cost;
}

}  // namespace apq::hw
