// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace apq {

/// A sign that this process gets on with its work. Costs one atomic increment; give it at least once per
/// training step, evaluation or file.
void heartbeat();

/// Ends a process that got stuck, or that waits for one that did, so that a job never hangs. Its thread looks
/// at the heartbeats and calls nothing of MPI.
///
/// A process that works is stuck when it gave no sign for max(limit, 10 x its longest pause so far). A
/// process that waits for others (Waiting) gives up when no rank at all gave a sign for that long; ranks tell
/// each other through small files in `signs`, which all of them must see. Time in which the whole process
/// stood still (a suspended job) does not count.
namespace watchdog {

struct Options {
  double limit = 300;  ///< seconds; 0: off
  int rank = 0;
  std::filesystem::path signs;  ///< folder, made when first needed; empty: ranks know nothing of each other
  /// Called by the watchdog's thread with the reason before the process ends with exit code 8; may take 10 s.
  std::function<void(const std::string&)> last_words = [](const std::string&) {};
};
void start(const Options& options);
void stop();
/// What this process is doing, for the message.
void set_phase(const std::string& phase);

/// While one lives, this process waits for other ranks.
class Waiting {
 public:
  Waiting();
  ~Waiting();
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
};

}  // namespace watchdog
}  // namespace apq
