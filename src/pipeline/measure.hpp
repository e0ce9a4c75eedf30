// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "apq/comm/distribute.hpp"
#include "pipeline/context.hpp"

namespace apq::pipeline {

/// Measures compute(i) of the genomes that `results` lacks, the most expensive first, each on the rank that
/// is idle next (comm::distribute); results do not depend on who did what. `save` is called on the root
/// whenever a checkpoint is due and at the end; a stop request abandons what is being measured. A network for
/// which compute throws Error(numeric) has failed: its result is NaN, the reason goes to the log, and when
/// more than a fifth of all failed, Error(numeric) ends the run. Collective.
void measure(Context& context, const std::vector<space::Genome>& genomes,
             std::map<std::int64_t, double>& results, const std::string& title,
             const std::function<double(const space::Genome&, const comm::Beat&)>& compute,
             const std::function<void()>& save);

}  // namespace apq::pipeline
