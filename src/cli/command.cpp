// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "cli/command.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <system_error>

#include "apq/config/config.hpp"
#include "apq/core/error.hpp"

namespace apq::cli {

void add_overrides(CLI::App& app, std::vector<std::string>& overrides) {
  app.add_option("--set", overrides,
                 "Override a key of the configuration, e.g. search.generations=20; repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void add_examples(CLI::App& app, const std::vector<std::string>& examples) {
  std::string text = "Examples:";
  for (const std::string& example : examples) text += "\n  " + example;
  app.footer(text);
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (!text.ends_with('\n')) std::fputc('\n', stdout);
  const bool lost = (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && errno != EPIPE;
  validate(!lost, ErrorKind::io, "cannot write to standard output ({}) check space and permissions",
           std::generic_category().message(errno));
}

double parse_duration(const std::string& text) {
  constexpr double kLongest = 1e9;
  const char* at = text.data();
  const char* const end = at + text.size();
  double seconds = 0;
  for (double last = kLongest; at != end;) {
    std::int64_t count = -1;
    const auto [rest, error] = std::from_chars(at, end, count);
    const char unit = rest == end ? 's' : *rest;
    const double size = unit == 'h' ? 3600 : unit == 'm' ? 60 : unit == 's' ? 1 : 0;
    const bool unit_is_needed = rest == end && last != kLongest;
    if (error != std::errc() || count < 0 || size == 0 || size >= last || unit_is_needed) {
      seconds = 0;
      break;
    }
    seconds += static_cast<double>(count) * size;
    last = size;
    at = rest == end ? end : rest + 1;
  }
  if (seconds <= 0 || seconds > kLongest)
    throw CLI::ValidationError("--max-time",
                               fmt::format("'{}' is no duration (expected e.g. 90s, 5m or 1h30m)", text));
  return seconds;
}

void check_run_folder(const std::filesystem::path& folder) {
  std::filesystem::path path = folder.lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const std::string why = config::folder_name_problem(path.filename().string());
  validate(why.empty(), ErrorKind::usage,
           "cannot use the run folder '{}' (its name: {}) choose another with --out", folder.string(), why);
}

}  // namespace apq::cli
