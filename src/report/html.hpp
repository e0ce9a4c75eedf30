// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>
#include <vector>

#include "report/plots.hpp"
#include "report/run_data.hpp"

namespace apq::report {

struct Picture {
  Plot plot;
  std::string svg;  ///< empty when it could not be drawn
};

/// The whole page, which needs no other file. `problem` says why pictures are missing.
std::string html(const RunData& run, const std::vector<Picture>& pictures, const std::string& problem);

}  // namespace apq::report
