// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "hw/tiling.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

namespace apq::hw {
namespace {

using Int = std::int64_t;

constexpr int kMinOperandBits = 2;
constexpr int kOutputBits = 32;  // partial sums, read and written

Int ceil_div(Int a, Int b) { return (a + b - 1) / b; }
Int round_up(Int a, Int b) { return ceil_div(a, b) * b; }

int operands_per_word(int bits) { return kMaxOperandBits / std::max(bits, kMinOperandBits); }

/// Bits an operand occupies in SRAM: the words hold whole operands, so 6 bits take 8.
int stored_bits(int bits) { return kMaxOperandBits / operands_per_word(bits); }

// The tile loops. Rows and columns of the square output are two alike loops over space.
enum Loop { kImages, kSpace, kInput, kOutput, kLoops };
enum Stream { kActivations, kWeights, kOutputs, kStreams };

constexpr bool kIndexes[kLoops][kStreams] = {
    {true, false, true},  // images
    {true, false, true},  // space
    {true, true, false},  // input channels
    {false, true, true},  // output channels
};

template <class T>
using PerStream = std::array<T, kStreams>;

struct Tile {
  Int images, size, cin, cout;
};

/// Bits through the SRAM ports of the array.
struct Reads {
  double activations, weights, outputs;
};

/// What one tile moves, what it occupies in SRAM, and how often each loop runs.
struct Tiling {
  PerStream<Int> traffic;    ///< bits between DRAM and SRAM, without padding
  PerStream<Int> footprint;  ///< bits in SRAM, channels padded to the array
  std::array<Int, kLoops> count;
  Int compute_cycles;
  Reads reads;
};

/// What the array takes from the SRAMs to compute all tiles, in the loop order of least energy: one operand
/// rests in the array while the others pass. An activation serves all columns at once.
Reads cheapest_reads(const BitFusionOptions& machine, const Convolution& layer, const Tile& tile, Int tiles,
                     Int lanes) {
  const double pixels = static_cast<double>(tile.images * tile.size * tile.size);
  const double depth = static_cast<double>(Int{layer.kernel} * layer.kernel * tile.cin);
  const double column_groups = static_cast<double>(ceil_div(tile.cout, machine.columns));
  const double row_groups = static_cast<double>(Int{layer.kernel} * layer.kernel * ceil_div(tile.cin, lanes));
  const double activations = pixels * depth * layer.activation_bits;
  const double weights = depth * static_cast<double>(tile.cout) * layer.weight_bits;
  const double outputs = pixels * static_cast<double>(tile.cout) * kOutputBits;
  const std::array<Reads, 3> choices{{
      {activations * column_groups, weights * pixels, outputs},      // outputs rest
      {activations * column_groups, weights, outputs * row_groups},  // weights rest
      {activations, weights * pixels, outputs * row_groups},         // activations rest
  }};
  const auto energy = [](const Reads& r) {
    constexpr BitFusionEnergy e;
    return r.activations * e.activation_read_bit + r.weights * e.weight_read_bit +
           r.outputs * e.output_access_bit;
  };
  Reads best = *std::min_element(choices.begin(), choices.end(),
                                 [&](const Reads& a, const Reads& b) { return energy(a) < energy(b); });
  for (double* bits : {&best.activations, &best.weights, &best.outputs}) *bits *= static_cast<double>(tiles);
  return best;
}

Tiling make_tiling(const BitFusionOptions& machine, const Convolution& layer, const Tile& tile) {
  const Int lanes = Int{machine.rows} * products_per_unit(layer.weight_bits, layer.activation_bits);
  const Int taps = Int{layer.kernel} * layer.kernel;
  const Int side_in = layer.kernel + (tile.size - 1) * layer.stride;
  const Int pixels_in = tile.images * side_in * side_in, pixels_out = tile.images * tile.size * tile.size;
  const Int cin = round_up(tile.cin, lanes), cout = round_up(tile.cout, machine.columns);
  Tiling t;
  t.traffic = {pixels_in * tile.cin * layer.activation_bits, taps * tile.cin * tile.cout * layer.weight_bits,
               pixels_out * tile.cout * kOutputBits};
  t.footprint = {pixels_in * cin * stored_bits(layer.activation_bits),
                 taps * cin * cout * stored_bits(layer.weight_bits), pixels_out * cout * kOutputBits};
  t.count = {ceil_div(machine.batch, tile.images), ceil_div(layer.size_out, tile.size),
             ceil_div(layer.cin, tile.cin), ceil_div(layer.cout, tile.cout)};
  const Int tiles = t.count[kImages] * t.count[kSpace] * t.count[kSpace] * t.count[kInput] * t.count[kOutput];
  t.compute_cycles = tiles * pixels_out * taps * (cin / lanes) * (cout / machine.columns);
  t.reads = cheapest_reads(machine, layer, tile, tiles, lanes);
  return t;
}

bool fits(const PerStream<Int>& footprint, const PerStream<Int>& capacity) {
  for (int s = 0; s < kStreams; ++s)
    if (footprint[s] > capacity[s]) return false;
  return true;
}

using Order = std::span<const Loop>;  ///< innermost first

struct Movement {
  PerStream<Int> total;     ///< bits over the whole layer
  PerStream<Int> resident;  ///< bits of the largest part that stays in SRAM
};

/// From the inner to the outer loop: a stream stays resident while what the loop adds still fits; once it
/// does not, every further loop moves it again, even one that does not index it.
Movement walk(const Tiling& tiling, Order order, const PerStream<Int>& capacity) {
  Movement m{tiling.traffic, tiling.traffic};
  for (int s = 0; s < kStreams; ++s) {
    Int footprint = tiling.footprint[s];
    bool resident = true;
    for (Loop loop : order) {
      if (resident && !kIndexes[loop][s]) continue;
      m.total[s] *= tiling.count[loop];
      footprint *= tiling.count[loop];
      resident = resident && footprint <= capacity[s];
      if (resident) m.resident[s] = m.total[s];
    }
  }
  return m;
}

/// Compute hides memory traffic except for the first fill and the last drain.
Int cycles(Int compute, const Movement& m, Int dram_width) {
  const auto reads = [](const PerStream<Int>& bits) {
    return bits[kActivations] + bits[kWeights] + bits[kOutputs];
  };
  const auto transfer = [&](const PerStream<Int>& bits) {
    return ceil_div(reads(bits), dram_width) + ceil_div(bits[kOutputs], dram_width);
  };
  return std::max(transfer(m.total), compute + transfer(m.resident));
}

/// step, 2 step, 4 step, ... and finally `whole`.
std::vector<Int> tile_sizes(Int step, Int whole) {
  std::vector<Int> sizes;
  for (Int size = step; size < whole; size *= 2) sizes.push_back(size);
  sizes.push_back(whole);
  return sizes;
}

PerStream<Int> capacities(const BitFusionOptions& machine) {
  const auto half_in_bits = [](double kib) { return static_cast<Int>(kib * 1024 * 8 / 2); };
  return {half_in_bits(machine.activation_sram_kib), half_in_bits(machine.weight_sram_kib),
          half_in_bits(machine.output_sram_kib)};
}

}  // namespace

int products_per_unit(int weight_bits, int activation_bits) {
  return operands_per_word(weight_bits) * operands_per_word(activation_bits);
}

std::optional<BitFusion::Schedule> best_schedule(const BitFusionOptions& machine, const Convolution& layer) {
  const PerStream<Int> capacity = capacities(machine);
  // Of one image there is no loop over images.
  constexpr Loop kOrder[] = {kImages, kSpace, kSpace, kInput, kOutput};
  const std::vector<Loop> loops(std::begin(kOrder) + (machine.batch == 1), std::end(kOrder));
  std::optional<BitFusion::Schedule> best;
  const auto consider = [&](const Tiling& tiling) {
    std::vector<Loop> order = loops;
    do {
      const Movement m = walk(tiling, order, capacity);
      const auto all = static_cast<double>(cycles(tiling.compute_cycles, m, machine.dram_bits_per_cycle));
      if (best && all > best->cycles) continue;
      const auto activations = static_cast<double>(m.total[kActivations]),
                 weights = static_cast<double>(m.total[kWeights]),
                 outputs = static_cast<double>(m.total[kOutputs]);
      const BitFusion::Schedule s{.cycles = all,
                                  .compute_cycles = static_cast<double>(tiling.compute_cycles),
                                  .dram_bits = activations + weights + 2 * outputs,
                                  .weight_writes = weights,
                                  .weight_reads = tiling.reads.weights,
                                  .activation_writes = activations,
                                  .activation_reads = tiling.reads.activations,
                                  .output_accesses = outputs + tiling.reads.outputs};
      if (!best || s.cycles < best->cycles || s.energy_pj() < best->energy_pj()) best = s;
    } while (std::next_permutation(order.begin(), order.end()));
  };
  for (Int images : tile_sizes(1, machine.batch))
    for (Int size : tile_sizes(1, layer.size_out))
      for (Int cin : tile_sizes(1, layer.cin))
        for (Int cout : tile_sizes(machine.columns, layer.cout)) {
          const Tiling tiling = make_tiling(machine, layer, {images, size, cin, cout});
          if (!fits(tiling.footprint, capacity)) break;  // more output channels only need more
          if (best && static_cast<double>(tiling.compute_cycles) > best->cycles) continue;
          consider(tiling);
        }
  return best;
}

}  // namespace apq::hw
