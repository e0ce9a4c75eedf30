// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "apq/core/error.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/io/files.hpp"
#include "io/claim.hpp"

namespace apq::io {
namespace {

/// When a process of this host started, in clock ticks since boot; empty when there is no such process.
std::string start_time(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string text;
  std::getline(file, text);
  // pid (name) state ...; the name may hold anything, the start time is the 22nd field.
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  fields >> field;
  if (field == "Z" || field == "X") return {};  // ended, only not yet waited for
  for (int i = 4; i <= 22; ++i) fields >> field;
  return field;
}

struct Holder {
  std::string host, pid, start, job, restart;

  std::string text() const {
    return fmt::format("host={}\npid={}\nstart={}\njob={}\nrestart={}\n", host, pid, start, job, restart);
  }
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Holder myself() {
  const std::string pid = std::to_string(getpid());
  return {host_info().name, pid, start_time(pid), environment("SLURM_JOB_ID"),
          environment("SLURM_RESTART_COUNT")};
}

/// A process of this host that ended, or an earlier run of this very Slurm job: the job was requeued after
/// its node was lost, and nobody can look at the process there.
bool gone(const Holder& holder, const Holder& me) {
  if (!me.job.empty() && holder.job == me.job && holder.restart != me.restart) return true;
  return holder.host == me.host && start_time(holder.pid) != holder.start;
}

/// Empty when there is no lock.
std::optional<Holder> read_holder(const fs::path& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  const auto value = [&] {
    std::string line;
    std::getline(file, line);
    return line.substr(std::min(line.find('=') + 1, line.size()));
  };
  Holder holder;
  holder.host = value();
  holder.pid = value();
  holder.start = value();
  holder.job = value();
  holder.restart = value();
  return holder;
}

/// Lets the runs of one host look at and take a lock one after the other; where the file system has no such
/// locks (some network ones) the exclusive link below still lets only one win.
class Turn {
 public:
  explicit Turn(const fs::path& folder) : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (fd_ >= 0) ::flock(fd_, LOCK_EX);
  }
  ~Turn() {
    if (fd_ >= 0) ::close(fd_);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  int fd_;
};

/// Creates `path` with its whole content, or not at all if it exists (works on NFS too).
bool create_exclusively(const fs::path& path, const std::string& content, const std::string& unique) {
  fs::path draft = path;
  draft += "." + unique;
  write_atomically(draft, content);
  const bool linked = ::link(draft.c_str(), path.c_str()) == 0;
  const int reason = errno;
  ::unlink(draft.c_str());
  validate(linked || reason == EEXIST, ErrorKind::io, "cannot create {} ({})", path.string(),
           std::strerror(reason));
  return linked;
}

/// Lock files this process made, and what it wrote into them.
std::map<fs::path, std::string>& locks() {
  static std::map<fs::path, std::string> made;
  return made;
}

bool holds(const fs::path& lock, const std::string& text) {
  const auto holder = read_holder(lock);
  return holder && holder->text() == text;
}

}  // namespace

void check_still_ours(const fs::path& path) {
  for (const auto& [lock, text] : locks()) {
    const fs::path inside = path.lexically_relative(lock.parent_path());
    validate(
        inside.empty() || *inside.begin() == ".." || holds(lock, text), ErrorKind::locked,
        "run folder {} is no longer this run's (it was cut off, and another one took over) {} is not written",
        lock.parent_path().string(), path.filename().string());
  }
}

FolderLock::FolderLock(const fs::path& folder) : path_(folder / "lock") {
  std::error_code error;
  fs::create_directories(folder, error);
  validate(!error, ErrorKind::io, "cannot create {} ({})", folder.string(), error.message());
  const Turn turn(folder);
  const Holder me = myself();
  if (const auto other = read_holder(path_); other && gone(*other, me)) {
    log::warn("taking over {} (process {} on {} that held it is gone)", path_.string(), other->pid,
              other->host);
    ::unlink(path_.c_str());
  }
  if (create_exclusively(path_, me.text(), me.host + "." + me.pid)) {
    locks()[path_] = me.text();
    return;
  }
  const Holder other = read_holder(path_).value_or(Holder{});
  fail(ErrorKind::locked,
       "run folder {} is in use (host {}, pid {}, job {}) wait for that run, or remove {} if it is gone",
       folder.string(), other.host, other.pid, other.job.empty() ? "none" : other.job, path_.string());
}

FolderLock::~FolderLock() {
  const auto made = locks().extract(path_);
  if (!made.empty() && holds(path_, made.mapped())) ::unlink(path_.c_str());
}

}  // namespace apq::io
