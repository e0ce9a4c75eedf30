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
};

/// Latency from a search over tilings and loop orders of one layer (one image); energy from DRAM bits and
/// compute cycles with constants fitted to the public table.
class BitFusion final : public Device {
 public:
  /// Throws Error(usage) for an impossible machine.
  explicit BitFusion(const BitFusionOptions& options = {});
  std::string name() const override { return "bitfusion"; }
  LayerCost layer(const space::LayerSpec& layer) const override;

  struct Schedule {
    double cycles = 0;
    double compute_cycles = 0;
    double dram_bits = 0;
  };
  /// Fastest schedule of a convolution cin x cout with `size_out` output pixels a side; of equally fast ones
  /// the one with the least DRAM traffic. A depthwise one (cout = cin) runs as repetitions of a dense
  /// convolution of 8 pf channels. Throws Error(usage) when no tile fits the SRAMs.
  Schedule schedule(int cin, int cout, int size_out, int kernel, int stride, int weight_bits,
                    int activation_bits, bool depthwise) const;

 private:
  BitFusionOptions options_;
};

}  // namespace apq::hw
