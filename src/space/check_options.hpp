// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include "apq/space/search_space.hpp"

namespace apq::space {

/// Throws Error(usage) naming the first key whose value makes no space.
void check_options(const SpaceOptions& options);

}  // namespace apq::space
