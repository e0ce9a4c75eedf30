// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/hw/cost_model.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <map>
#include <set>

#include "apq/core/error.hpp"
#include "apq/hw/bitfusion.hpp"

namespace apq::hw {
namespace {

constexpr std::array<const char*, kMetrics> kMetricNames{"latency_ms", "energy_mj", "bitops_g",
                                                         "params",     "size_kib",  "activation_kib"};
constexpr int kBiasBits = 32;
/// The one metric that is no sum.
constexpr Metric kPeak = Metric::activation_kib;

Cost cost_of(const Device::LayerCost& measured, const space::LayerSpec& layer) {
  const double weights = static_cast<double>(layer.weights());
  Cost cost;
  cost[Metric::latency_ms] = measured.latency_ms;
  cost[Metric::energy_mj] = measured.energy_mj;
  cost[Metric::bitops_g] =
      static_cast<double>(layer.macs()) * layer.weight_bits * layer.activation_bits * 1e-9;
  cost[Metric::params] = weights + layer.cout;
  cost[Metric::size_kib] = (weights * layer.weight_bits + double{kBiasBits} * layer.cout) / 8 / 1024;
  cost[Metric::activation_kib] = static_cast<double>(layer.activation_memory_bits()) / 8 / 1024;
  return cost;
}

using Key = std::array<int, 11>;

/// What a device may charge for.
Key key_of(const space::LayerSpec& l) {
  return {static_cast<int>(l.kind),
          static_cast<int>(l.role),
          l.block >= 0,
          l.cin,
          l.cout,
          l.size,
          l.kernel,
          l.stride,
          l.weight_bits,
          l.activation_bits,
          l.residual};
}

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

bool counted(const space::LayerSpec& layer, Counting counting) {
  return counting == Counting::everything || layer.block >= 0 || layer.role == space::LayerRole::stem ||
         layer.role == space::LayerRole::head;
}

const char* metric_name(Metric metric) { return kMetricNames[static_cast<std::size_t>(metric)]; }

Metric metric_from_name(const std::string& name) {
  const auto found = std::find(kMetricNames.begin(), kMetricNames.end(), name);
  validate(found != kMetricNames.end(), ErrorKind::usage, "unknown metric '{}' (known: {}) use one of these",
           name, fmt::join(kMetricNames, ", "));
  return static_cast<Metric>(found - kMetricNames.begin());
}

Cost& Cost::operator+=(const Cost& other) {
  const double peak = std::max((*this)[kPeak], other[kPeak]);
  for (int m = 0; m < kMetrics; ++m) values[m] += other.values[m];
  (*this)[kPeak] = peak;
  return *this;
}

Cost layer_cost(const Device& device, const space::LayerSpec& layer) {
  return cost_of(device.layer(layer), layer);
}

std::vector<space::LayerSpec> distinct_layers(const space::SearchSpace& space, Counting counting) {
  std::set<Key> known;
  std::vector<space::LayerSpec> layers;
  const auto add = [&](const space::LayerSpec& layer) {
    if (known.insert(key_of(layer)).second) layers.push_back(layer);
  };
  for (const space::LayerSpec& layer : space.expand(space.smallest()))
    if (layer.block < 0 && counted(layer, counting)) add(layer);
  for (int b = 0; b < static_cast<int>(space.blocks().size()); ++b)
    for_each_genes(space, b, [&](const space::BlockGenes& genes) {
      if (!space.block_valid(b, genes)) return;
      for (const space::LayerSpec& layer : space.block_layers(b, genes)) add(layer);
    });
  return layers;
}

namespace {

void check_known(const Device& device, const std::vector<space::LayerSpec>& layers) {
  std::string unknown;
  std::int64_t count = 0;
  for (const space::LayerSpec& layer : layers) {
    if (device.knows(layer)) continue;
    ++count;
    unknown += "\n  " + layer.shape();
  }
  validate(count == 0, ErrorKind::data,
           "{} does not know {} of the {} layers this space can reach (listed below) measure them with 'apq "
           "lut build':{}",
           device.name(), count, layers.size(), unknown);
}

std::vector<double> ask(const Device& device, const std::vector<space::LayerSpec>& layers) {
  std::vector<double> costs(2 * layers.size());
  std::exception_ptr problem;
#pragma omp parallel for schedule(dynamic, 4)
  for (std::size_t i = 0; i < layers.size(); ++i) try {
      const Device::LayerCost cost = device.layer(layers[i]);
      costs[2 * i] = cost.latency_ms;
      costs[2 * i + 1] = cost.energy_mj;
    } catch (...) {
#pragma omp critical(apq_hw_ask)
      problem = std::current_exception();
    }
  if (problem) std::rethrow_exception(problem);
  return costs;
}

}  // namespace

CostModel::CostModel(const space::SearchSpace& space, std::shared_ptr<const Device> device, Counting counting,
                     std::span<const double> known)
    : space_(&space),
      device_(std::move(device)),
      counting_(counting),
      bits_(space.options().bits.size()),
      tables_(space.blocks().size()) {
  const std::vector<space::LayerSpec> layers = distinct_layers(space, counting);
  if (known.size() == 2 * layers.size()) {
    layer_costs_.assign(known.begin(), known.end());
  } else {
    check_known(*device_, layers);
    layer_costs_ = ask(*device_, layers);
  }
  std::map<Key, std::size_t> index;
  for (std::size_t i = 0; i < layers.size(); ++i) index[key_of(layers[i])] = i;
  const auto cost = [&](const space::LayerSpec& layer) {
    const std::size_t i = index.at(key_of(layer));
    return cost_of({layer_costs_[2 * i], layer_costs_[2 * i + 1]}, layer);
  };
  fixed_[Metric::latency_ms] = device_->network().latency_ms;
  fixed_[Metric::energy_mj] = device_->network().energy_mj;
  for (const space::LayerSpec& layer : space.expand(space.smallest()))
    if (layer.block < 0 && counted(layer, counting_)) fixed_ += cost(layer);
  for (int b = 0; b < static_cast<int>(tables_.size()); ++b) {
    const auto& choices = space.blocks()[b];
    BlockTable& table = tables_[b];
    const std::size_t places = choices.widths.size() * bits_ * bits_;
    for (int m = 0; m < kMetrics; ++m)
      if (static_cast<Metric>(m) != kPeak) {
        table.pointwise[m].resize(places);
        table.depthwise[m].resize(choices.kernels.size() * places);
      }
    table.peak.resize(places);
    for_each_genes(space, b, [&](const space::BlockGenes& genes) {
      if (!space.block_valid(b, genes)) return;  // never looked up
      const auto [expand, depthwise, project] = space.block_layers(b, genes);
      // Whatever genes a place does not tell apart, its layers do not depend on.
      Cost pointwise = cost(expand);
      pointwise += cost(project);
      const Cost middle = cost(depthwise);
      for (int m = 0; m < kMetrics; ++m)
        if (static_cast<Metric>(m) != kPeak) {
          table.pointwise[m][pointwise_at(genes)] = pointwise.values[m];
          table.depthwise[m][depthwise_at(b, genes)] = middle.values[m];
        }
      table.peak[peak_at(genes)] = std::max(pointwise[kPeak], middle[kPeak]);
    });
  }
}

Cost CostModel::block_cost(int block, const space::BlockGenes& genes) const {
  const BlockTable& table = tables_[block];
  const std::size_t pointwise = pointwise_at(genes), depthwise = depthwise_at(block, genes);
  Cost cost;
  for (int m = 0; m < kMetrics; ++m)
    if (static_cast<Metric>(m) != kPeak)
      cost.values[m] = table.pointwise[m][pointwise] + table.depthwise[m][depthwise];
  cost[kPeak] = table.peak[peak_at(genes)];
  return cost;
}

Cost CostModel::cost(const space::Genome& genome) const {
  Cost total = fixed_;
  space_->for_each_active(genome, [&](int b) { total += block_cost(b, genome.blocks[b]); });
  return total;
}

double CostModel::cost(const space::Genome& genome, Metric metric) const {
  const auto m = static_cast<std::size_t>(metric);
  double total = fixed_.values[m];
  if (metric == kPeak)
    space_->for_each_active(
        genome, [&](int b) { total = std::max(total, tables_[b].peak[peak_at(genome.blocks[b])]); });
  else
    space_->for_each_active(genome, [&](int b) {
      const space::BlockGenes& genes = genome.blocks[b];
      total += tables_[b].pointwise[m][pointwise_at(genes)] + tables_[b].depthwise[m][depthwise_at(b, genes)];
    });
  return total;
}

Cost CostModel::cost_by_layers(const space::Genome& genome) const {
  Cost total;
  total[Metric::latency_ms] = device_->network().latency_ms;
  total[Metric::energy_mj] = device_->network().energy_mj;
  for (const space::LayerSpec& layer : space_->expand(genome))
    if (counted(layer, counting_)) total += layer_cost(*device_, layer);
  return total;
}

// A block's channels do not depend on other genes, so blocks are independent; every block costs something, so
// the extreme depth is the smallest or largest choice.
template <class Score>
std::optional<space::Genome> CostModel::cheapest(Score score) const {
  space::Genome genome = space_->smallest();
  for (int b = 0; b < static_cast<int>(tables_.size()); ++b) {
    double best = std::numeric_limits<double>::infinity();
    for_each_genes(*space_, b, [&](const space::BlockGenes& genes) {
      if (!space_->block_valid(b, genes)) return;
      const double value = score(block_cost(b, genes));
      if (value >= best) return;
      best = value;
      genome.blocks[b] = genes;
    });
    if (best == std::numeric_limits<double>::infinity() && space_->active(genome, b)) return std::nullopt;
  }
  return genome;
}

CostModel::Extreme CostModel::smallest(Metric metric) const {
  const space::Genome genome = space_->canonical(*cheapest([&](const Cost& c) { return c[metric]; }));
  return {cost(genome, metric), genome};
}

CostModel::Extreme CostModel::largest(Metric metric) const {
  space::Genome genome = *cheapest([&](const Cost& c) { return -c[metric]; });
  genome.depth = space_->largest().depth;
  genome = space_->canonical(genome);
  return {cost(genome, metric), genome};
}

// Bounds on sums get multipliers, raised while they are broken and lowered while they are not; the bound on
// the peak holds for each block alone and so excludes genes.
std::optional<CostModel::Extreme> CostModel::smallest(Metric metric, std::span<const Bound> bounds) const {
  constexpr int kRounds = 200;
  std::array<double, kMetrics> multipliers{}, scale{};
  const Extreme unbounded = smallest(metric);
  scale[static_cast<std::size_t>(metric)] = 1 / std::max(unbounded.value, 1e-300);
  std::optional<Extreme> best;
  for (int round = 0; round < kRounds; ++round) {
    const auto genome = cheapest([&](const Cost& c) {
      double score = c[metric] * scale[static_cast<std::size_t>(metric)];
      for (const Bound& bound : bounds) {
        if (bound.metric == Metric::activation_kib) {
          if (c[bound.metric] > bound.limit) return std::numeric_limits<double>::infinity();
        } else {
          score += multipliers[static_cast<std::size_t>(bound.metric)] * c[bound.metric] / bound.limit;
        }
      }
      return score;
    });
    if (!genome) return std::nullopt;
    const Cost total = cost(*genome);
    bool within = true;
    for (const Bound& bound : bounds) {
      const double excess = total[bound.metric] / bound.limit - 1;
      within = within && excess <= 0;
      double& multiplier = multipliers[static_cast<std::size_t>(bound.metric)];
      if (round == 0 && excess > 0) multiplier = 1;
      multiplier *= std::exp(std::clamp(20 * excess, -1.0, 1.0) / std::sqrt(1 + round));
    }
    if (within && (!best || total[metric] < best->value)) best = {total[metric], space_->canonical(*genome)};
    if (within && round == 0) break;  // the bounds do not bind
  }
  return best;
}

std::shared_ptr<const Device> device_from_name(const std::string& name) {
  if (name == "bitfusion") return std::make_shared<BitFusion>();
  fail(ErrorKind::usage, "unknown device '{}' (known: bitfusion) use one of these", name);
}

}  // namespace apq::hw
