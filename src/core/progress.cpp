// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "apq/core/log.hpp"
#include "apq/core/watchdog.hpp"

namespace apq {
namespace {

constexpr double kRedrawSeconds = 0.2;

std::string duration(double seconds) {
  const auto s = static_cast<std::int64_t>(std::lround(std::max(0.0, seconds)));
  if (s >= 3600) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  if (s >= 60) return fmt::format("{}m{:02}s", s / 60, s % 60);
  return fmt::format("{}s", s);
}

std::size_t terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// `head [#####.....] tail` in at most one terminal line; the bar gives way first.
std::string with_bar(const std::string& head, const std::string& tail, double fraction) {
  const std::size_t columns = terminal_columns() - 1;
  const std::size_t text = head.size() + tail.size() + 4;
  if (text + 5 > columns) return (head + " " + tail).substr(0, columns);
  const std::size_t width = std::min<std::size_t>(30, columns - text);
  const auto full = static_cast<std::size_t>(fraction * static_cast<double>(width));
  return fmt::format("{} [{}{}] {}", head, std::string(full, '#'), std::string(width - full, '.'), tail);
}

}  // namespace

Progress::Progress(std::string stage, std::int64_t total, bool shown, double interval_seconds)
    : stage_(std::move(stage)), total_(total), shown_(shown), interval_(interval_seconds) {}

Progress::~Progress() {
  if (shown_ && !finished_ && log::console_is_terminal()) log::status_line("");
}

void Progress::update(std::int64_t done, std::string_view note) {
  heartbeat();
  done_ = done;
  note_ = note;
  if (first_ < 0) {
    first_ = done;
    first_seconds_ = timer_.seconds();
  }
  if (shown_) show();
}

void Progress::finish(std::string_view note) {
  if (finished_) return;
  finished_ = true;
  if (!note.empty()) note_ = note;
  if (!shown_) return;
  if (log::console_is_terminal()) log::status_line("");
  log::info("{} {:>3}% ({}/{}) {}took {}", stage_, percent(), done_, total_,
            note_.empty() ? "" : note_ + ", ", duration(timer_.seconds()));
}

int Progress::percent() const {
  return total_ > 0 ? static_cast<int>(std::clamp<std::int64_t>(100 * done_ / total_, 0, 100)) : 100;
}

void Progress::show() {
  const double now = timer_.seconds();
  const bool bar = log::console_is_terminal();
  if (now - last_shown_ < (bar ? std::min(kRedrawSeconds, interval_) : interval_)) return;
  last_shown_ = now;
  std::string tail = fmt::format("({}/{})", done_, total_);
  if (!note_.empty()) tail += " " + note_;
  if (done_ > first_) {
    const double per_unit = (now - first_seconds_) / static_cast<double>(done_ - first_);
    tail += fmt::format("{} {} left", note_.empty() ? "" : ",",
                        duration(per_unit * static_cast<double>(total_ - done_)));
  }
  const std::string head = fmt::format("{} {:>3}%", stage_, percent());
  if (bar)
    log::status_line(with_bar(head, tail, percent() / 100.0));
  else
    log::info("{} {}", head, tail);
}

}  // namespace apq
