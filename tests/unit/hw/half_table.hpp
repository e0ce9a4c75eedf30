// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace apq::hw::testing {

/// One entry of the public BitFusion table.
struct TableEntry {
  int cin, cout, size, kernel, stride, padding, groups, weight_bits, activation_bits;
  double latency_ms, energy_mj;
  bool depthwise() const { return groups > 1; }
};

/// Half of the public table (batch 1), without its two special keys. The reason is in `error` when it cannot
/// be read.
inline std::vector<TableEntry> read_half_table(std::string& error) {
  const char* folder = std::getenv("APQ_SHARED_DATA");
  const std::string path =
      std::string(folder ? folder : APQ_SOURCE_DIR "/../shared/data") + "/bitfusion_b1_half.json";
  std::ifstream file(path);
  if (!file) error = "cannot read " + path + " (set APQ_SHARED_DATA to the folder that holds it)";
  std::vector<TableEntry> entries;
  TableEntry e{};
  bool wanted = false;
  for (std::string line; std::getline(file, line);) {
    double value = 0;
    if (line.find("{") != std::string::npos && line.find('"') != std::string::npos)
      wanted =
          std::sscanf(line.c_str(), " \"(%d, %d, %d, %d, %d, %d, %d)-W%dA%d\"", &e.cin, &e.cout, &e.size,
                      &e.kernel, &e.stride, &e.padding, &e.groups, &e.weight_bits, &e.activation_bits) == 9;
    if (std::sscanf(line.c_str(), " \"energy\": %lf", &value) == 1) e.energy_mj = value;
    if (std::sscanf(line.c_str(), " \"latency\": %lf", &value) == 1) {
      e.latency_ms = value;
      if (wanted) entries.push_back(e);
    }
  }
  return entries;
}

}  // namespace apq::hw::testing
