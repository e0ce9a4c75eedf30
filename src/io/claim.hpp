// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>

namespace apq::io {

/// Throws Error(locked) when `path` lies in a folder that this process had locked and that is no longer its
/// own: it was cut off, its job was started again elsewhere, and what it would write now belongs to the past.
void check_still_ours(const std::filesystem::path& path);

}  // namespace apq::io
