// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/hw/bitfusion.hpp"

#include <optional>

#include "apq/core/error.hpp"
#include "hw/tiling.hpp"

namespace apq::hw {
namespace {

constexpr double kMillijoulePerPicojoule = 1e-9;

void check_positive(const char* key, double value) {
  validate(value > 0 && value < 1e9, ErrorKind::usage,
           "BitFusion {} = {} is impossible (outside 0 to 1e9) give a positive value", key, value);
}

}  // namespace

BitFusion::BitFusion(const BitFusionOptions& options) : options_(options) {
  check_positive("rows", options.rows);
  check_positive("columns", options.columns);
  check_positive("frequency_mhz", options.frequency_mhz);
  check_positive("dram_bits_per_cycle", options.dram_bits_per_cycle);
  check_positive("weight_sram_kib", options.weight_sram_kib);
  check_positive("activation_sram_kib", options.activation_sram_kib);
  check_positive("output_sram_kib", options.output_sram_kib);
  check_positive("batch", options.batch);
}

std::string BitFusion::describe() const {
  const BitFusionOptions& o = options_;
  return fmt::format("bitfusion 2: {}x{} units, {} MHz, {} bits/cycle, {} {} {} KiB, batch {}", o.rows,
                     o.columns, o.frequency_mhz, o.dram_bits_per_cycle, o.weight_sram_kib,
                     o.activation_sram_kib, o.output_sram_kib, o.batch);
}

double BitFusion::Schedule::energy_pj(const BitFusionEnergy& e) const {
  return dram_bits * e.dram_bit + weight_writes * e.weight_write_bit + weight_reads * e.weight_read_bit +
         activation_writes * e.activation_write_bit + activation_reads * e.activation_read_bit +
         output_accesses * e.output_access_bit + compute_cycles * e.compute_cycle + cycles * e.cycle;
}

BitFusion::Schedule BitFusion::schedule(int cin, int cout, int size_out, int kernel, int stride,
                                        int weight_bits, int activation_bits, bool depthwise) const {
  const auto search = [&](int input_bits) -> std::optional<Schedule> {
    if (!depthwise)
      return best_schedule(options_, {cin, cout, size_out, kernel, stride, weight_bits, input_bits});
    const int group = 8 * products_per_unit(weight_bits, input_bits);
    auto best = best_schedule(options_, {group, group, size_out, kernel, stride, weight_bits, input_bits});
    if (!best) return best;
    const double repetitions = (cin + group - 1) / group;
    for (double* count :
         {&best->cycles, &best->compute_cycles, &best->dram_bits, &best->weight_writes, &best->weight_reads,
          &best->activation_writes, &best->activation_reads, &best->output_accesses})
      *count *= repetitions;
    return best;
  };
  auto best = search(activation_bits);
  if (!best) best = search(kMaxOperandBits);  // fewer input channels at a time need fewer weights at a time
  validate(best.has_value(), ErrorKind::usage,
           "a {0}x{0} convolution of {1} to {2} channels does not fit BitFusion (its smallest tile exceeds "
           "half an SRAM: weights {3}, activations {4}, outputs {5} KiB) enlarge it",
           kernel, cin, cout, options_.weight_sram_kib, options_.activation_sram_kib,
           options_.output_sram_kib);
  return *best;
}

Device::LayerCost BitFusion::layer(const space::LayerSpec& l) const {
  const bool depthwise = l.kind == space::LayerKind::depthwise;
  // The first layer's few channels would leave rows idle: it runs unrolled, K K cin values per output pixel.
  const bool unrolled = l.role == space::LayerRole::stem;
  const int cin = unrolled ? l.kernel * l.kernel * l.cin : l.cin;
  const Schedule s = schedule(cin, l.cout, l.size_out(), unrolled ? 1 : l.kernel, unrolled ? 1 : l.stride,
                              l.weight_bits, l.activation_bits, depthwise);
  LayerCost cost;
  cost.latency_ms = s.cycles / (options_.frequency_mhz * 1e3);
  cost.energy_mj = s.energy_pj() * kMillijoulePerPicojoule;
  return cost;
}

}  // namespace apq::hw
