// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include "config/reader.hpp"

namespace apq::config {

/// What must hold between keys. A rule about a key that could not be read is left out, so that one mistake is
/// reported once. `file` is where keys are that nobody wrote.
void check(const Config& config, const Reader& reader, const Place& file, Problems& problems);

}  // namespace apq::config
