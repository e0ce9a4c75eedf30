// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/hw/cost_model.hpp"

#include <algorithm>
#include <limits>

#include "apq/core/error.hpp"
#include "apq/hw/bitfusion.hpp"

namespace apq::hw {
namespace {

constexpr std::array<const char*, kMetrics> kMetricNames{"latency_ms", "energy_mj", "bitops_g", "params",
                                                         "size_kib"};
constexpr int kBiasBits = 32;

bool counted(const space::LayerSpec& layer, Counting counting) {
  return counting == Counting::everything || layer.block >= 0 || layer.role == space::LayerRole::stem ||
         layer.role == space::LayerRole::head;
}

/// Remembers costs by shape: blocks of a stage share most of their layers.
class LayerCosts {
 public:
  explicit LayerCosts(const Device& device) : device_(device) {}
  const Cost& operator()(const space::LayerSpec& l) {
    const Key key{static_cast<int>(l.kind), l.cin, l.cout, l.size, l.kernel, l.stride, l.weight_bits,
                  l.activation_bits};
    const auto found = known_.find(key);
    if (found != known_.end()) return found->second;
    return known_.emplace(key, layer_cost(device_, l)).first->second;
  }

 private:
  using Key = std::array<int, 8>;
  const Device& device_;
  std::map<Key, Cost> known_;
};

/// Calls visit(genes) for every combination of a block's genes, last bit gene fastest.
template <class Visit>
void for_each_genes(const space::SearchSpace& space, int block, Visit visit) {
  const auto& choices = space.blocks()[block];
  const std::size_t bits = space.options().bits.size();
  const std::array<std::size_t, 2 + space::kBitGenes> limits{
      choices.kernels.size(), choices.widths.size(), bits, bits, bits, bits};
  std::array<std::size_t, limits.size()> index{};
  while (true) {
    space::BlockGenes genes;
    genes.kernel = static_cast<std::uint8_t>(index[0]);
    genes.width = static_cast<std::uint8_t>(index[1]);
    for (int i = 0; i < space::kBitGenes; ++i) genes.bits[i] = static_cast<std::uint8_t>(index[2 + i]);
    visit(genes);
    std::size_t digit = limits.size();
    while (digit > 0 && ++index[digit - 1] == limits[digit - 1]) index[--digit] = 0;
    if (digit == 0) return;
  }
}

}  // namespace

const char* metric_name(Metric metric) { return kMetricNames[static_cast<std::size_t>(metric)]; }

Metric metric_from_name(const std::string& name) {
  const auto found = std::find(kMetricNames.begin(), kMetricNames.end(), name);
  validate(found != kMetricNames.end(), ErrorKind::usage, "unknown metric '{}' (known: {}) use one of these",
           name, fmt::join(kMetricNames, ", "));
  return static_cast<Metric>(found - kMetricNames.begin());
}

Cost& Cost::operator+=(const Cost& other) {
  for (int m = 0; m < kMetrics; ++m) values[m] += other.values[m];
  return *this;
}

Cost layer_cost(const Device& device, const space::LayerSpec& layer) {
  const Device::LayerCost measured = device.layer(layer);
  const double weights = static_cast<double>(layer.weights());
  Cost cost;
  cost[Metric::latency_ms] = measured.latency_ms;
  cost[Metric::energy_mj] = measured.energy_mj;
  cost[Metric::bitops_g] =
      static_cast<double>(layer.macs()) * layer.weight_bits * layer.activation_bits * 1e-9;
  cost[Metric::params] = weights + layer.cout;
  cost[Metric::size_kib] = (weights * layer.weight_bits + double{kBiasBits} * layer.cout) / 8 / 1024;
  return cost;
}

CostModel::CostModel(const space::SearchSpace& space, std::shared_ptr<const Device> device, Counting counting)
    : space_(&space), device_(std::move(device)), counting_(counting), table_(space.blocks().size()) {
  for (const space::LayerSpec& layer : space.expand(space.smallest()))
    if (layer.block < 0 && counted(layer, counting_)) fixed_ += layer_cost(*device_, layer);
  LayerCosts costs(*device_);
  for (int b = 0; b < static_cast<int>(table_.size()); ++b)
    for_each_genes(space, b, [&](const space::BlockGenes& genes) {
      APQ_ASSERT(table_index(b, genes) == table_[b].size());
      Cost& total = table_[b].emplace_back();
      if (!space.block_valid(b, genes)) return;  // never looked up
      for (const space::LayerSpec& layer : space.block_layers(b, genes)) total += costs(layer);
    });
}

std::size_t CostModel::table_index(int block, const space::BlockGenes& genes) const {
  std::size_t index = genes.kernel * space_->blocks()[block].widths.size() + genes.width;
  for (auto bits : genes.bits) index = index * space_->options().bits.size() + bits;
  return index;
}

Cost CostModel::cost(const space::Genome& genome) const {
  Cost total = fixed_;
  for (int b = 0; b < static_cast<int>(table_.size()); ++b)
    if (space_->active(genome, b)) total += table_[b][table_index(b, genome.blocks[b])];
  return total;
}

Cost CostModel::cost_by_layers(const space::Genome& genome) const {
  Cost total;
  for (const space::LayerSpec& layer : space_->expand(genome))
    if (counted(layer, counting_)) total += layer_cost(*device_, layer);
  return total;
}

CostModel::Extreme CostModel::smallest(Metric metric) const { return extreme(metric, true); }
CostModel::Extreme CostModel::largest(Metric metric) const { return extreme(metric, false); }

CostModel::Extreme CostModel::extreme(Metric metric, bool smallest) const {
  // A block's channels do not depend on other genes, so blocks are independent and costs add; every block
  // costs something, so the extreme depth is the smallest or largest choice.
  space::Genome genome = smallest ? space_->smallest() : space_->largest();
  for (int b = 0; b < static_cast<int>(table_.size()); ++b) {
    double best = std::numeric_limits<double>::infinity();
    for_each_genes(*space_, b, [&](const space::BlockGenes& genes) {
      if (!space_->block_valid(b, genes)) return;
      const double value = (smallest ? 1 : -1) * table_[b][table_index(b, genes)][metric];
      if (value >= best) return;
      best = value;
      genome.blocks[b] = genes;
    });
  }
  genome = space_->canonical(genome);
  return {cost(genome, metric), genome};
}

std::shared_ptr<const Device> device_from_name(const std::string& name) {
  if (name == "bitfusion") return std::make_shared<BitFusion>();
  fail(ErrorKind::usage, "unknown device '{}' (known: bitfusion) use one of these", name);
}

}  // namespace apq::hw
