// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>
#include <vector>

namespace apq::island {

/// Names of the ways to choose who leaves an island (best, diverse, tournament) and whose place immigrants
/// take (worst, random, most_similar).
std::vector<std::string> selections();
std::vector<std::string> replacements();

}  // namespace apq::island
