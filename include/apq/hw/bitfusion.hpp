// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include "apq/hw/cost_model.hpp"

namespace apq::hw {

/// The spatial BitFusion array (Sharma et al., ISCA 2018) as the APQ table was made with. SRAMs are double
/// buffered: a tile may use half.
struct BitFusionOptions {
  int rows = 16;     ///< input-channel side of the array
  int columns = 32;  ///< output-channel side
  double frequency_mhz = 500;
  int dram_bits_per_cycle = 192;
  double weight_sram_kib = 64;
  double activation_sram_kib = 32;
  double output_sram_kib = 16;
  int batch = 1;  ///< images a layer computes together; its costs are those of all of them
};

/// What moving and computing cost, in pJ: of a bit over the DRAM interface, of a bit written to or read from
/// a SRAM, of a partial sum's bit written and read again, and of a cycle, whether or not the array works in
/// it. Fitted to half of the public table, with DRAM at the 15 pJ of the published simulator; the fit is
/// exact and its SRAM figures are that simulator's. For the default machine: other SRAMs and arrays have
/// others.
struct BitFusionEnergy {
  double dram_bit = 15;
  double weight_write_bit = 0.02891615625, weight_read_bit = 0.02136565625;
  double activation_write_bit = 0.1137040625, activation_read_bit = 0.059474375;
  double output_access_bit = 0.09250146875;
  double compute_cycle = 476.6518;
  double cycle = 433.014704;
};

/// Latency and energy from a search over tilings and loop orders of one layer: the fastest, and of equally
/// fast ones the one of least energy.
class BitFusion final : public Device {
 public:
  /// Throws Error(usage) for an impossible machine.
  explicit BitFusion(const BitFusionOptions& options = {});
  std::string name() const override { return "bitfusion"; }
  LayerCost layer(const space::LayerSpec& layer) const override;
  std::string describe() const override;

  /// What the machine does for a layer; bits are what passes a port.
  struct Schedule {
    double cycles = 0;
    double compute_cycles = 0;  ///< those in which the array works
    double dram_bits = 0;       ///< partial sums pass twice
    double weight_writes = 0, weight_reads = 0;
    double activation_writes = 0, activation_reads = 0;
    double output_accesses = 0;  ///< bits written and read again
    double energy_pj(const BitFusionEnergy& energy = {}) const;
  };
  /// Best schedule of a convolution cin x cout with `size_out` output pixels a side. A depthwise one (cout =
  /// cin) runs as repetitions of a dense convolution of 8 pf channels. Throws Error(usage) when no tile fits
  /// the SRAMs.
  Schedule schedule(int cin, int cout, int size_out, int kernel, int stride, int weight_bits,
                    int activation_bits, bool depthwise) const;

 private:
  BitFusionOptions options_;
};

}  // namespace apq::hw
