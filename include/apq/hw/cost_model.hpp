// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apq/space/search_space.hpp"

namespace apq::hw {

/// What a network can be charged for. Order is the order of columns everywhere. `activation_kib` is the peak
/// activation memory: the largest LayerSpec::activation_memory_bits of its layers, for one image.
enum class Metric { latency_ms, energy_mj, bitops_g, params, size_kib, activation_kib };
inline constexpr int kMetrics = 6;
const char* metric_name(Metric metric);            ///< "latency_ms"
Metric metric_from_name(const std::string& name);  ///< throws Error(usage) listing the names

/// All metrics of a layer or a network.
struct Cost {
  std::array<double, kMetrics> values{};
  double operator[](Metric m) const { return values[static_cast<std::size_t>(m)]; }
  double& operator[](Metric m) { return values[static_cast<std::size_t>(m)]; }
  /// One after the other: sums, and the larger peak.
  Cost& operator+=(const Cost& other);
};

/// A hard upper limit.
struct Bound {
  Metric metric;
  double limit;
};

/// What one layer costs in latency and energy on some device. Implementations: BitFusion (bitfusion.hpp);
/// more are one file and one line in device_from_name.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::string name() const = 0;
  /// All that its answers depend on, as text: equal texts, equal costs.
  virtual std::string describe() const = 0;
  struct LayerCost {
    double latency_ms = 0;
    double energy_mj = 0;
  };
  /// Must be additive over layers and pure.
  virtual LayerCost layer(const space::LayerSpec& layer) const = 0;
  /// Whether it can tell; layer() throws when it cannot.
  virtual bool knows(const space::LayerSpec&) const { return true; }
  /// What a network costs besides its layers.
  virtual LayerCost network() const { return {}; }
};

/// BitOps = MACs x weight bits x activation bits; parameters count weights and biases; size counts weights at
/// their bits and 32-bit biases.
Cost layer_cost(const Device& device, const space::LayerSpec& layer);

/// Which layers are charged: everything, or only the stem, the searchable blocks and the head convolution as
/// in the public APQ code (which leaves out the first block and the classifier).
enum class Counting { everything, apq };
bool counted(const space::LayerSpec& layer, Counting counting);

/// Layers that differ in what a device may charge for, of all genomes of a space, in a fixed order.
std::vector<space::LayerSpec> distinct_layers(const space::SearchSpace& space, Counting counting);

/// The cost of genomes as table sums: every layer of every block is costed once at construction.
class CostModel {
 public:
  /// Asks the device on all OpenMP threads for each of distinct_layers; Error(data) lists all that it does
  /// not know. `known` are answers of an equal device saved before, from layer_costs(); another number of
  /// them does not count.
  CostModel(const space::SearchSpace& space, std::shared_ptr<const Device> device, Counting counting,
            std::span<const double> known = {});
  /// Latency and energy of each of distinct_layers.
  const std::vector<double>& layer_costs() const { return layer_costs_; }
  Cost cost(const space::Genome& genome) const;
  /// One metric alone is cheaper: a search asks for it several times per network it keeps.
  double cost(const space::Genome& genome, Metric metric) const;
  /// The plain sum over expanded layers; the truth the table is tested against.
  Cost cost_by_layers(const space::Genome& genome) const;
  /// Exact smallest and largest cost any valid genome of the space can have (minimum over genes per block,
  /// over depths per stage), with a genome that reaches it.
  struct Extreme {
    double value;
    space::Genome genome;
  };
  Extreme smallest(Metric metric) const;
  Extreme largest(Metric metric) const;
  /// A network within all bounds with little of `metric`: the best that Lagrangian relaxation of the bounds
  /// finds, so not always the smallest there is. Nothing when none was found; then no network meets the
  /// bounds, or hardly any.
  std::optional<Extreme> smallest(Metric metric, std::span<const Bound> bounds) const;
  const Device& device() const { return *device_; }

 private:
  /// Per block the genes of least score(cost), at the smallest depths; nothing when a block has only genes of
  /// infinite score.
  template <class Score>
  std::optional<space::Genome> cheapest(Score score) const;
  /// A block's costs, a table per metric: small enough to stay in the cache of a core. Which place the genes
  /// of a block have: pointwise_at, depthwise_at and peak_at.
  struct BlockTable {
    std::array<std::vector<double>, kMetrics> pointwise;  ///< of both pointwise layers; not of the peak
    std::array<std::vector<double>, kMetrics> depthwise;  ///< not of the peak
    std::vector<double> peak;                             ///< of all three layers
  };
  std::size_t pointwise_at(const space::BlockGenes& genes) const {
    return (genes.width * bits_ + genes.bits[space::kPwWeight]) * bits_ + genes.bits[space::kPwActivation];
  }
  std::size_t depthwise_at(int block, const space::BlockGenes& genes) const {
    return ((genes.kernel * space_->blocks()[block].widths.size() + genes.width) * bits_ +
            genes.bits[space::kDwWeight]) *
               bits_ +
           genes.bits[space::kDwActivation];
  }
  std::size_t peak_at(const space::BlockGenes& genes) const {
    return (genes.width * bits_ + genes.bits[space::kPwActivation]) * bits_ +
           genes.bits[space::kDwActivation];
  }
  Cost block_cost(int block, const space::BlockGenes& genes) const;

  const space::SearchSpace* space_;
  std::shared_ptr<const Device> device_;
  Counting counting_;
  Cost fixed_;
  std::vector<double> layer_costs_;
  std::size_t bits_;                ///< choices of a bit gene
  std::vector<BlockTable> tables_;  ///< per block
};

/// "bitfusion"; throws Error(usage) listing the names. A table of costs (layer_table.hpp) is a device too.
std::shared_ptr<const Device> device_from_name(const std::string& name);

}  // namespace apq::hw
