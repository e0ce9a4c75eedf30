// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace apq::io {

/// status.json: {"state": ..., "code": ..., "reason": ..., "stage": ..., "job": ...}; replaced atomically.
struct Status {
  std::string state;  ///< running, done, stopped, failed
  int code = 0;
  std::string reason;
  std::string stage;
};
void write_status(const std::filesystem::path& folder, const Status& status);
/// Empty state when there is no file; Error(io) when it is not what write_status wrote.
Status read_status(const std::filesystem::path& folder);

/// manifest.json: everything needed to know what made a run folder; version, host and time are added.
struct Manifest {
  std::string config_text;  ///< the effective configuration, every key
  std::string config_hash;
  std::uint64_t seed = 0;
  int ranks = 1;
  int threads = 1;
  std::string reproducible = "yes";  ///< or why the same run may give other results
  std::map<std::string, std::string> libraries;
  int hosts = 1;  ///< machines the ranks are on
};
void write_manifest(const std::filesystem::path& folder, const Manifest& manifest);

}  // namespace apq::io
