// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include "apq/core/error.hpp"
#include "apq/core/fault.hpp"
#include "apq/core/log.hpp"
#include "apq/io/archive.hpp"
#include "apq/io/files.hpp"

namespace apq::io {
namespace {

constexpr std::size_t kKept = 3;
constexpr const char* kFingerprint = "checkpoint fingerprint";

struct File {
  std::int64_t sequence;
  fs::path path;
};

constexpr const char* kTail = ".ckpt";
constexpr const char* kUnfinishedTail = ".ckpt.tmp";  // of a write that was killed

/// The number in <name>.<number><tail>, or -1.
std::int64_t sequence_of(const std::string& file, const std::string& name, const std::string& tail) {
  const std::string head = name + ".";
  if (!file.starts_with(head) || !file.ends_with(tail) || file.size() <= head.size() + tail.size()) return -1;
  const char* last = file.data() + file.size() - tail.size();
  std::int64_t sequence = -1;
  const auto [end, error] = std::from_chars(file.data() + head.size(), last, sequence);
  return error == std::errc() && end == last ? sequence : -1;
}

/// Newest first.
std::vector<File> list(const fs::path& folder, const std::string& name, const char* tail = kTail) {
  std::vector<File> files;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing))
    if (const std::int64_t n = sequence_of(entry.path().filename(), name, tail); n >= 0)
      files.push_back({n, entry.path()});
  std::ranges::sort(files, std::greater{}, &File::sequence);
  return files;
}

std::set<std::string> lines(const std::string& text) {
  std::set<std::string> result;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) result.insert(line);
  return result;
}

/// "then a=1, c=4; now a=2": the lines only one of the two has.
std::string difference(const std::string& then, const std::string& now) {
  const auto only = [](const std::set<std::string>& a, const std::set<std::string>& b) {
    std::vector<std::string> result;
    std::ranges::set_difference(a, b, std::back_inserter(result));
    return result.empty() ? std::string("nothing") : fmt::format("{}", fmt::join(result, ", "));
  };
  const auto a = lines(then), b = lines(now);
  return fmt::format("then {}; now {}", only(a, b), only(b, a));
}

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error) log::warn("cannot remove {} ({})", path.string(), error.message());
}

}  // namespace

CheckpointStore::CheckpointStore(fs::path folder, std::string name, std::string fingerprint)
    : folder_(std::move(folder)), name_(std::move(name)), fingerprint_(std::move(fingerprint)) {}

void CheckpointStore::save(std::int64_t sequence, const Archive& archive) {
  APQ_ASSERT(sequence >= 0);
  std::error_code error;
  fs::create_directories(folder_, error);
  validate(!error, ErrorKind::io, "cannot create {} ({})", folder_.string(), error.message());
  remove_unfinished();
  Archive stamped = archive;
  stamped.put(kFingerprint, fingerprint_);
  const auto frame = stamped.to_frame(name_);
  const fs::path path = folder_ / fmt::format("{}.{:08}.ckpt", name_, sequence);
  write_atomically(path, std::span<const std::byte>(frame));
  validate(read_bytes(path) == frame, ErrorKind::io, "{} reads back differently (is the disk failing?)",
           path.string());
  fault::point("checkpoint.written");
  std::size_t kept = 0;
  for (const File& file : list(folder_, name_))
    if (file.sequence > sequence || ++kept > kKept) remove_file(file.path);
}

std::optional<CheckpointStore::Found> CheckpointStore::newest() const {
  const auto files = list(folder_, name_);
  for (const File& file : files) {
    std::optional<Archive> archive;
    try {
      archive = Archive::load(file.path, name_);
    } catch (const Error& error) {
      log::warn("{}", error.what());
      continue;
    }
    const std::string then = archive->text(kFingerprint);
    validate(
        then == fingerprint_, ErrorKind::checkpoint,
        "cannot continue from {} (it was made with other settings: {}) restore them or use a new run folder",
        file.path.string(), difference(then, fingerprint_));
    return Found{file.sequence, std::move(*archive)};
  }
  validate(files.empty(), ErrorKind::checkpoint,
           "cannot continue from {} (all {} checkpoints of '{}' are damaged) use a new run folder",
           folder_.string(), files.size(), name_);
  return std::nullopt;
}

bool CheckpointStore::any() const { return !list(folder_, name_).empty(); }

void CheckpointStore::remove_unfinished() {
  for (const File& file : list(folder_, name_, kUnfinishedTail)) remove_file(file.path);
}

void CheckpointStore::remove_all() {
  remove_unfinished();
  for (const File& file : list(folder_, name_)) remove_file(file.path);
}

}  // namespace apq::io
