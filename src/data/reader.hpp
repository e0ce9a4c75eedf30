// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "apq/data/dataset.hpp"

/// The formats: one line each, and one file that defines read_<format>.
#define APQ_DATA_FORMATS(FORMAT) \
  FORMAT(idx)                    \
  FORMAT(cifar10)                \
  FORMAT(cifar100)               \
  FORMAT(folder)

namespace apq::data {

enum class Part { train, test };

/// Every reader: the whole part in memory, or Error(data).
#define APQ_DECLARE_READER(name) ImageSet read_##name(const DataOptions& options, Part part);
APQ_DATA_FORMATS(APQ_DECLARE_READER)
#undef APQ_DECLARE_READER

/// Largest image side any reader accepts; keeps every product of sizes far from overflow.
inline constexpr std::uint32_t kLargestSide = 16384;

/// folder/name or folder/name.gz, whichever is there; else Error(data) naming both, with `hint`.
std::filesystem::path find_file(const std::filesystem::path& folder, const std::string& name,
                                std::string_view hint);
/// Error(data) naming `path` unless that many bytes fit into this machine's memory.
void check_memory(const std::filesystem::path& path, std::uint64_t bytes);
/// "0", "1", ...: names for a format that has none.
std::vector<std::string> numbered_classes(int classes);

}  // namespace apq::data
