// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>

namespace apq::cli {

/// Marks a run as failed in its status.json, but only where the pipeline has written that file since the run
/// began: a folder of somebody else, a finished or a locked run is left alone.
class RunStatus {
 public:
  /// Before the run begins.
  void watch(const std::filesystem::path& folder);
  /// True when status.json was written since.
  bool written() const;
  void failed(int code, const std::string& reason) const;

 private:
  std::filesystem::file_time_type time() const;

  std::filesystem::path folder_;
  std::filesystem::file_time_type before_;
};

}  // namespace apq::cli
