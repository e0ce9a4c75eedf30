// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>

namespace apq::report {

/// Runs gnuplot on a script in `folder`, with that as its current directory. Empty when all went well, else
/// why not.
std::string run_gnuplot(const std::filesystem::path& folder, const std::string& script);

}  // namespace apq::report
