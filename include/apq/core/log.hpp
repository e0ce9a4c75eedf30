// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace apq::log {

enum class Level { debug, info, warn, error };

/// Sets up the one logger of this process: rank 0 also writes to standard error (other ranks only errors),
/// every rank that is given a file appends to it. Lines read "2026-11-23 14:00:00 info  text", with "[rank]"
/// before the level on other ranks than 0. Before setup() everything goes to standard error. Losing standard
/// error (closed pipe) or the file (full disk) never stops a run; a file that cannot be opened is Error(io).
struct Options {
  int rank = 0;
  bool console = true;
  std::filesystem::path file = {};  ///< empty: no file
  Level level = Level::info;
};
void setup(const Options& options);
void flush();
/// True when this rank logs to standard error and that is a terminal (progress bars are drawn then).
bool console_is_terminal();
/// Draws one line at the bottom of the terminal, replacing the one before; empty removes it. Log lines
/// scroll above it.
void status_line(std::string_view text);

void write(Level level, std::string_view text);

template <class... Args>
void debug(fmt::format_string<Args...> text, Args&&... args) {
  write(Level::debug, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
  write(Level::info, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> text, Args&&... args) {
  write(Level::warn, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> text, Args&&... args) {
  write(Level::error, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace apq::log
