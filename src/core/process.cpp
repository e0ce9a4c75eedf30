// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/process.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <mutex>
#include <string_view>

#include "apq/core/error.hpp"

namespace apq {
namespace stop {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kExitInterrupted = 130;  // nothing was saved: not 75
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

// All that a signal handler touches; lock-free, hence safe in one.
std::atomic<int> stop_signal{0};
std::atomic<bool> interrupted{false};
std::atomic<bool> checkpoint{false};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

std::atomic<std::int64_t> deadline{kNever};
std::mutex request_mutex;
std::string request_text;

std::int64_t now() { return Clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

extern "C" void on_signal(int signal) {
  if (signal == SIGUSR1) {
    checkpoint = true;
    return;
  }
  if (signal != SIGUSR2 && interrupted.exchange(true)) _exit(kExitInterrupted);
  int none = 0;
  stop_signal.compare_exchange_strong(none, signal);
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  APQ_ASSERT(sigaction(signal, &action, nullptr) == 0);
}

std::string requested() {
  const std::lock_guard lock(request_mutex);
  return request_text;
}

}  // namespace

void install_handlers() {
  for (const int signal : {SIGUSR1, SIGUSR2, SIGTERM, SIGINT}) handle(signal, on_signal);
  // CONT comes with scancel and preemption and means nothing; PIPE is a reader of our output gone away.
  for (const int signal : {SIGCONT, SIGPIPE}) handle(signal, SIG_IGN);
}

bool stop_requested() { return stop_signal != 0 || now() >= deadline || !requested().empty(); }

bool take_checkpoint_request() { return checkpoint.exchange(false); }

void set_max_time(double seconds) {
  const double limit = seconds * 1e9;
  deadline = limit > 0 && limit < 9e18 - static_cast<double>(now()) ? now() + static_cast<std::int64_t>(limit)
                                                                    : kNever;
}

double job_seconds_left() {
  const char* text = std::getenv("SLURM_JOB_END_TIME");
  if (!text) return 0;
  double end = 0;
  const std::string_view digits(text);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), end).ec != std::errc()) return 0;
  const auto today = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch());
  constexpr double kSaving = 60, kSoonest = 1;
  const double left = end - today.count();
  return std::max(kSoonest, left - std::min(kSaving, left / 4));
}

std::string reason() {
  if (std::string text = requested(); !text.empty()) return text;
  if (const int signal = stop_signal) return fmt::format("signal {}", signal);
  return now() >= deadline ? "max-time reached" : "";
}

void request(const std::string& reason) {
  const std::lock_guard lock(request_mutex);
  request_text = reason;
}

void reset() {
  stop_signal = 0;
  interrupted = false;
  checkpoint = false;
  deadline = kNever;
  request("");
}

}  // namespace stop

namespace {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const auto colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
  return "unknown";
}

// The builtins also ask whether the operating system saves the registers. Clang's do not know the newest
// sets, which then count as missing.
const char* instruction_set() {
#ifdef __clang__
  const bool amx = false, avx_vnni = false;
#else
  const bool amx = __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-int8");
  const bool avx_vnni = __builtin_cpu_supports("avxvnni");
#endif
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
  if (vnni && amx) return "avx512_amx";
  if (vnni) return "avx512_vnni";
  if (avx512) return "avx512";
  if (!__builtin_cpu_supports("avx2")) return "sse";
  return avx_vnni ? "avx2_vnni" : "avx2";
}

}  // namespace

std::vector<int> allowed_cpus() {
  constexpr int kMost = 16384;
  std::array<cpu_set_t, kMost / CPU_SETSIZE> masks{};
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(masks), masks.data()) != 0) return cpus;
  for (int cpu = 0; cpu < kMost; ++cpu)
    if (CPU_ISSET_S(cpu, sizeof(masks), masks.data())) cpus.push_back(cpu);
  return cpus;
}

HostInfo host_info() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) name = {"unknown"};
  return {name.data(), cpu_model(), instruction_set(), std::max(1, static_cast<int>(allowed_cpus().size()))};
}

double peak_rss_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

const char* version() { return *APQ_COMMIT ? APQ_VERSION "+" APQ_COMMIT : APQ_VERSION; }

}  // namespace apq
