// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace apq {

/// Seconds since construction, on the steady clock.
class Timer {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Progress of one stage: a bar on a terminal, one plain log line per interval otherwise; finish() logs a
/// last line in both cases.
/// Only the rank that shows it constructs one with shown = true; each update is a heartbeat on any rank.
class Progress {
 public:
  Progress(std::string stage, std::int64_t total, bool shown, double interval_seconds = 10);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `note` is a short text such as "loss 0.41"; time left is estimated from the work done here.
  void update(std::int64_t done, std::string_view note = {});
  void finish(std::string_view note = {});

 private:
  int percent() const;
  void show();

  std::string stage_;
  std::string note_;
  std::int64_t total_;
  std::int64_t done_ = 0;
  std::int64_t first_ = -1;
  double first_seconds_ = 0;
  bool shown_;
  bool finished_ = false;
  double interval_;
  double last_shown_ = -1e9;
  Timer timer_;
};

}  // namespace apq
