// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/fault.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <list>
#include <new>
#include <utility>

#include "apq/core/error.hpp"

namespace apq::fault {
namespace {

struct Action {
  const char* name;
  int error;              ///< for the caller, or
  void (*act)() = [] {};  ///< what this process does
};

constexpr std::array kActions{
    Action{"kill", 0, [] { raise(SIGKILL); }},
    Action{"freeze", 0, [] { raise(SIGSTOP); }},
    Action{"hang", 0,
           [] {
             for (;;) sleep(1000);
           }},
    Action{"slow", 0, [] { usleep(25'000); }},
    Action{"throw", 0, [] { fail(ErrorKind::internal, "a fault was asked for (APQ_FAULT)"); }},
    Action{"diverge", 0, [] { fail(ErrorKind::numeric, "a divergence was asked for (APQ_FAULT)"); }},
    Action{"no_memory", 0, [] { throw std::bad_alloc(); }},
    Action{"EIO", EIO},
    Action{"ENOSPC", ENOSPC},
    Action{"EDQUOT", EDQUOT},
    Action{"EMFILE", EMFILE}};

struct Fault {
  std::string point;
  long first = 0;
  bool persistent = false;
  Action action{};
  int rank = -1;  ///< any
  std::atomic<long> passed{0};
};

// Set before threads and islands start, only read afterwards.
std::atomic<bool> armed{false};
std::list<Fault> faults;
std::atomic<bool> done{false};

/// The text up to `mark`, which is cut off together with it.
std::string_view cut(std::string_view& text, char mark) {
  const std::size_t at = std::min(text.find(mark), text.size());
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return head;
}

template <class T>
bool parse(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

void parse(std::string_view rest, Fault& result, const std::string& spec) {
  result.point = cut(rest, ':');
  std::string_view count = cut(rest, ':');
  result.persistent = count.ends_with('+');
  if (result.persistent) count.remove_suffix(1);
  const std::string_view name = cut(rest, '@');
  bool known = false;
  for (const Action& action : kActions)
    if (name == action.name) {
      result.action = action;
      known = true;
    }
  validate(!result.point.empty() && parse(count, result.first) && result.first >= 1 && known &&
               (rest.empty() || parse(rest, result.rank)),
           ErrorKind::usage,
           "APQ_FAULT is '{}' (expected POINT:N[+]:ACTION[@RANK], several with commas) see CONTRIBUTING.md",
           spec);
}

}  // namespace

void arm(const std::string& spec) {
  disarm();
  faults.clear();
  std::string_view rest = spec;
  do {
    parse(cut(rest, ','), faults.emplace_back(), spec);
  } while (!rest.empty());
  done = false;
  armed = true;
}

void arm_from_environment(int rank) {
  const char* spec = std::getenv("APQ_FAULT");
  if (!spec) return;
  arm(spec);
  faults.remove_if([&](const Fault& fault) { return fault.rank >= 0 && fault.rank != rank; });
}

void disarm() { armed = false; }

bool happened() { return done; }

int point(std::string_view name) {
  if (!armed) return 0;
  int error = 0;
  for (Fault& fault : faults) {
    if (fault.point != "all" && !name.starts_with(fault.point)) continue;
    const long n = ++fault.passed;
    if (n < fault.first || (n > fault.first && !fault.persistent)) continue;
    done = true;
    fault.action.act();
    if (fault.action.error != 0) error = fault.action.error;
  }
  return error;
}

}  // namespace apq::fault
