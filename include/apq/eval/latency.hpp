// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "apq/nn/network.hpp"
#include "apq/space/search_space.hpp"
#include "apq/supernet/supernet.hpp"

namespace apq::eval {

enum class Precision { int8, fp32 };

/// How long a network and each of its layers took, layers in the order of SearchSpace::expand. Of many runs
/// one among the fastest counts, the 2nd percentile: what others do on the machine only ever adds time.
struct NetworkTime {
  double total_ms = 0;   ///< of runs without looking at layers
  double spread_ms = 0;  ///< upper minus lower quartile of all these runs
  std::vector<double> layer_ms;
  std::vector<double> layer_spread_ms;
};

/// Times networks with random weights as the integer executor and the float executor run them: each layer in
/// its place, with requantization, after the layers before it.
class LatencyMeter {
 public:
  LatencyMeter(const space::SearchSpace& space, int batch, std::uint64_t seed);
  /// `repeats` runs with and as many without a look at the layers, after a few to warm up.
  NetworkTime measure(const space::Genome& genome, Precision precision, int repeats);

 private:
  const space::SearchSpace* space_;
  int batch_;
  supernet::Supernet net_;
  nn::Executor executor_;
  std::vector<float> images_;
};

/// Few genomes of deepest networks and most bits in which every kernel and width of every block occurs.
std::vector<space::Genome> covering_genomes(const space::SearchSpace& space);

}  // namespace apq::eval
