// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <mutex>
#include <vector>

#include "apq/core/error.hpp"

namespace apq::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

const char* name(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warn";
    case Level::error:
      return "error";
  }
  return "info";
}

spdlog::sink_ptr file_sink(const std::filesystem::path& path) {
  try {
    return std::make_shared<spdlog::sinks::basic_file_sink_st>(path.string());
  } catch (const spdlog::spdlog_ex& error) {
    fail(ErrorKind::io, "cannot open the log file {} ({})", path.string(), error.what());
  }
}

spdlog::logger make_logger(const Options& options) {
  std::vector<spdlog::sink_ptr> sinks;
  if (options.console) {
    sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_st>());
    if (options.rank != 0) sinks.back()->set_level(spdlog::level::err);
  }
  if (!options.file.empty()) sinks.push_back(file_sink(options.file));
  spdlog::logger logger("apq", sinks.begin(), sinks.end());
  const std::string rank = options.rank == 0 ? "" : fmt::format("[{}] ", options.rank);
  logger.set_pattern("%Y-%m-%d %H:%M:%S " + rank + "%v");
  logger.set_level(to_spdlog(options.level));
  logger.flush_on(spdlog::level::trace);                // a killed run keeps its last line
  logger.set_error_handler([](const std::string&) {});  // a full disk must not stop the run
  return logger;
}

/// The one logger of the process, with the status line now on the terminal.
struct Log {
  std::mutex mutex;
  bool console = true;
  spdlog::logger logger = make_logger({});
  std::string status;
};

Log& instance() {
  static Log log;
  return log;
}

void draw(std::string_view text) {
  std::fprintf(stderr, "\r\x1b[K%.*s", static_cast<int>(text.size()), text.data());
}

}  // namespace

void setup(const Options& options) {
  spdlog::logger logger = make_logger(options);
  Log& log = instance();
  const std::lock_guard lock(log.mutex);
  log.logger.swap(logger);
  log.console = options.console && options.rank == 0;
}

void flush() {
  Log& log = instance();
  const std::lock_guard lock(log.mutex);
  log.logger.flush();
}

bool console_is_terminal() { return instance().console && isatty(STDERR_FILENO) == 1; }

void status_line(std::string_view text) {
  Log& log = instance();
  const std::lock_guard lock(log.mutex);
  log.status = text;
  draw(text);
}

void write(Level level, std::string_view text) {
  Log& log = instance();
  const std::lock_guard lock(log.mutex);
  if (!log.status.empty()) draw("");
  log.logger.log(to_spdlog(level), "{:<5} {}", name(level), text);
  if (!log.status.empty()) draw(log.status);
}

}  // namespace apq::log
