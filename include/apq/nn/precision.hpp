// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>
#include <vector>

namespace apq::nn {

/// Numbers that products are computed with.
enum class Precision { fp32, bf16, int8 };
Precision precision_from_name(const std::string& name);  ///< throws Error(usage) listing the names
std::vector<std::string> precisions();                   ///< "fp32", "bf16", "int8"

}  // namespace apq::nn
