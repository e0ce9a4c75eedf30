// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/watchdog.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"

namespace apq {
namespace {

std::atomic<std::uint64_t> beats{0};
std::atomic<int> waiting{0};

}  // namespace

void heartbeat() { beats.fetch_add(1, std::memory_order_relaxed); }

namespace watchdog {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kLastWordsSeconds = 10;

std::mutex phase_mutex;
std::string phase_text = "start";

std::string phase() {
  const std::lock_guard lock(phase_mutex);
  return phase_text;
}

/// What a rank writes into its file: that its watchdog lives, its progress, and whether it works or waits.
struct Sign {
  std::uint64_t looks = 0, beats = 0;
};

class Watchdog {
 public:
  explicit Watchdog(const Options& options)
      : options_(options), tick_(std::clamp(options.limit / 32, 0.02, 5.0)), thread_([this] { watch(); }) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
    std::error_code ignored;
    if (!options_.signs.empty()) fs::remove(file_of(options_.rank), ignored);
  }

 private:
  struct Peer {
    Sign sign;
    double lived = 0;       ///< when its watchdog last gave a sign
    double progressed = 0;  ///< when the rank last did
  };

  void watch() {
    std::unique_lock lock(mutex_);
    for (Timer timer;
         !wake_.wait_for(lock, std::chrono::duration<double>(tick_), [&] { return stopping_; });) {
      // Whoever was suspended wakes up here after a long time in which nobody could give a sign.
      now_ += std::min(timer.seconds(), 2 * tick_);
      timer = {};
      look();
    }
  }

  void look() {
    const std::uint64_t n = beats.load(std::memory_order_relaxed);
    const bool waits = waiting.load() > 0;
    if (n != beats_) {
      if (!waited_) longest_pause_ = std::max(longest_pause_, now_ - progressed_);
      beats_ = n;
      progressed_ = now_;
    }
    waited_ = waits;
    if (now_ - told_ > options_.limit / 8) tell();
    const double limit = std::max(options_.limit, 10 * longest_pause_);
    const double pause = now_ - progressed_;
    if (pause > limit / 2) read_peers();
    if (pause <= limit) return;
    if (!waits) end(fmt::format("no progress for {:.0f} s in {}", pause, phase()));
    // A file is up to limit / 8 old.
    double last = progressed_;
    for (const auto& [rank, peer] : peers_) last = std::max(last, peer.progressed);
    if (now_ - last > limit * 1.25)
      end(fmt::format("waited {:.0f} s for other ranks in {}{}", pause, phase(), silent()));
  }

  /// The ranks whose very watchdogs are silent: stopped, lost, or on a node that is.
  std::string silent() const {
    std::string ranks;
    for (const auto& [rank, peer] : peers_)
      if (now_ - peer.lived > options_.limit / 2)
        ranks += fmt::format("{}{}", ranks.empty() ? "" : ", ", rank);
    return ranks.empty() ? "" : fmt::format("; stopped or lost: rank {}", ranks);
  }

  [[noreturn]] void end(const std::string& what) {
    // Ends this process should the file system or a full pipe hold up what follows.
    std::signal(SIGALRM, SIG_DFL);
    alarm(kLastWordsSeconds);
    const std::string reason =
        fmt::format("rank {}: {} (watchdog_seconds is {:g}) the job ends; continue it with --resume",
                    options_.rank, what, options_.limit);
    options_.last_words(reason);
    std::fputs(("apq: error: " + reason + "\n").c_str(), stderr);
    _exit(static_cast<int>(ErrorKind::environment));
  }

  fs::path file_of(int rank) const { return options_.signs / std::to_string(rank); }

  void tell() {
    told_ = now_;
    if (options_.signs.empty()) return;
    std::error_code ignored;
    fs::create_directories(options_.signs, ignored);
    std::ofstream(file_of(options_.rank)) << ++looks_ << ' ' << beats_ << '\n';
  }

  void read_peers() {
    if (options_.signs.empty()) return;
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(options_.signs, missing)) {
      const int rank = std::atoi(entry.path().filename().c_str());
      Sign sign;
      if (rank == options_.rank || !(std::ifstream(entry.path()) >> sign.looks >> sign.beats)) continue;
      const auto [peer, first] = peers_.try_emplace(rank, Peer{sign, now_, now_});
      if (first) continue;
      if (sign.looks != peer->second.sign.looks) peer->second.lived = now_;
      if (sign.beats != peer->second.sign.beats) peer->second.progressed = now_;
      peer->second.sign = sign;
    }
  }

  Options options_;
  double tick_;
  double now_ = 0;  ///< seconds in which this process could run
  std::uint64_t beats_ = 0, looks_ = 0;
  double progressed_ = 0, longest_pause_ = 0, told_ = 0;
  bool waited_ = false;
  std::map<int, Peer> peers_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;  ///< last, so that all it uses exists
};

std::unique_ptr<Watchdog> the_watchdog;

}  // namespace

void start(const Options& options) {
  stop();
  if (options.limit > 0) the_watchdog = std::make_unique<Watchdog>(options);
}

void stop() { the_watchdog.reset(); }

void set_phase(const std::string& phase) {
  const std::lock_guard lock(phase_mutex);
  phase_text = phase;
}

Waiting::Waiting() {
  heartbeat();
  ++waiting;
}

Waiting::~Waiting() {
  --waiting;
  heartbeat();
}

}  // namespace watchdog
}  // namespace apq
