// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apq/core/error.hpp"

namespace apq::io {

namespace fs = std::filesystem;

/// Replaces `path` all or nothing: temporary file in the same folder, fsync, rename, fsync of the folder.
/// Throws Error(io) with path and reason; the old file is untouched then.
void write_atomically(const fs::path& path, std::string_view content);
void write_atomically(const fs::path& path, std::span<const std::byte> content);
/// Whole file; throws Error(`kind`) naming path and reason, and when it exceeds `max_bytes`.
std::string read_text(const fs::path& path, std::size_t max_bytes = std::size_t{1} << 28,
                      ErrorKind kind = ErrorKind::io);
std::vector<std::byte> read_bytes(const fs::path& path, std::size_t max_bytes = std::size_t{1} << 32,
                                  ErrorKind kind = ErrorKind::io);

/// Rows of a CSV file with a header line. Fields are quoted when they need it (RFC 4180).
class CsvWriter {
 public:
  explicit CsvWriter(std::vector<std::string> header);
  void row(const std::vector<std::string>& fields);
  const std::string& text() const { return text_; }
  void save(const fs::path& path) const { write_atomically(path, text_); }

 private:
  std::size_t columns_;
  std::string text_;
};
struct CsvTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  /// Index of a column; throws Error(data) naming the columns there are.
  std::size_t column(std::string_view name) const;
};
/// Throws Error(data) naming `origin` and line for a row with another number of fields or a broken quote.
CsvTable parse_csv(std::string_view text, const std::string& origin);
/// Shortest text that reads back as the same double.
std::string number(double value);

/// One run per folder (created when missing): a lock file with host, pid and job id. Throws Error(locked)
/// naming the holder; a lock of a process that is gone (same host) is taken over with a notice.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  fs::path path_;
};

}  // namespace apq::io
