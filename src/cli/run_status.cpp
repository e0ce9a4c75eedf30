// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "cli/run_status.hpp"

#include "apq/core/error.hpp"
#include "apq/core/log.hpp"
#include "apq/io/manifest.hpp"

namespace apq::cli {

namespace fs = std::filesystem;

void RunStatus::watch(const fs::path& folder) {
  folder_ = folder;
  before_ = time();
}

fs::file_time_type RunStatus::time() const {
  std::error_code missing;
  const auto time = fs::last_write_time(folder_ / "status.json", missing);
  return missing ? fs::file_time_type::min() : time;
}

bool RunStatus::written() const { return !folder_.empty() && time() != before_; }

void RunStatus::failed(int code, const std::string& reason) const {
  if (!written()) return;
  try {
    const io::Status last = io::read_status(folder_);
    if (last.state == "running") io::write_status(folder_, {"failed", code, reason, last.stage});
  } catch (const Error& e) {
    log::warn("status.json still says that the run goes on ({})", e.what());
  }
}

}  // namespace apq::cli
