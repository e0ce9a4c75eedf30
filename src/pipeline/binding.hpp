// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>
#include <vector>

#include "apq/comm/communicator.hpp"

namespace apq::pipeline {

/// Where one rank runs.
struct Place {
  std::string host;
  std::vector<int> cpus;  ///< it may run on, ascending
  int given = 0;          ///< CPUs of this host that the batch system gave the job; 0: not known
};

/// Where all ranks run, as the log shows it.
struct Binding {
  int hosts = 0;
  std::vector<std::string> layout;    ///< a line per group of hosts that are alike
  std::vector<std::string> warnings;  ///< a line per group with more threads than CPUs
};

/// Of ranks in rank order, each with that many threads.
Binding describe_binding(const std::vector<Place>& ranks, int threads);
/// Of all ranks, on all ranks; collective.
Binding gather_binding(comm::Communicator& comm, int threads);

}  // namespace apq::pipeline
