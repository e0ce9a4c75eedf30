// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/io/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "apq/core/fault.hpp"
#include "io/claim.hpp"

namespace apq::io {
namespace {

/// Closes a file descriptor on the way out.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// For tests of what happens when a system call fails: true when the call behind this point must not be made.
bool fails(const char* point) {
  const int error = fault::point(point);
  if (error != 0) errno = error;
  return error != 0;
}

bool write_all(int fd, std::span<const std::byte> content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    content = content.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

bool write_new(const fs::path& path, std::span<const std::byte> content) {
  if (fails("io.open")) return false;
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666));
  const std::size_t half = content.size() / 2;
  return file.get() >= 0 && !fails("io.write") && write_all(file.get(), content.first(half)) &&
         !fails("io.write_rest") && write_all(file.get(), content.subspan(half)) && !fails("io.fsync") &&
         ::fsync(file.get()) == 0 && file.close();
}

/// Makes a rename durable. File systems that cannot do this say EINVAL, and need it not.
bool sync_folder(const fs::path& folder) {
  if (fails("io.sync_folder")) return false;
  Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd.get() >= 0 && (::fsync(fd.get()) == 0 || errno == EINVAL);
}

template <class Container>
Container read_file(const fs::path& path, std::size_t max_bytes, ErrorKind kind) {
  const auto require = [&](bool ok) {
    validate(ok, kind, "cannot read {} ({})", path.string(), std::strerror(errno));
  };
  // Without O_NONBLOCK opening a named pipe would wait for a writer.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  require(file.get() >= 0);
  struct stat status {};
  require(::fstat(file.get(), &status) == 0);
  validate(S_ISREG(status.st_mode), kind, "cannot read {} (it is not a plain file)", path.string());
  const auto size = static_cast<std::size_t>(status.st_size);
  validate(size <= max_bytes, kind, "cannot read {} (it has {} bytes, {} are allowed)", path.string(), size,
           max_bytes);
  Container content(size, {});
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(file.get(), content.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    require(n >= 0);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  content.resize(done);
  return content;
}

}  // namespace

void write_atomically(const fs::path& path, std::string_view content) {
  write_atomically(path, std::as_bytes(std::span(content)));
}

void write_atomically(const fs::path& path, std::span<const std::byte> content) {
  check_still_ours(path);
  fs::path temporary = path;
  temporary += ".tmp";
  const bool written =
      write_new(temporary, content) && !fails("io.rename") && ::rename(temporary.c_str(), path.c_str()) == 0;
  if (written && sync_folder(folder_of(path))) return;
  const int reason = errno;
  if (!written) ::unlink(temporary.c_str());
  fail(ErrorKind::io, "cannot write {} ({})", path.string(), std::strerror(reason));
}

std::string read_text(const fs::path& path, std::size_t max_bytes, ErrorKind kind) {
  return read_file<std::string>(path, max_bytes, kind);
}

std::vector<std::byte> read_bytes(const fs::path& path, std::size_t max_bytes, ErrorKind kind) {
  return read_file<std::vector<std::byte>>(path, max_bytes, kind);
}

std::string number(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr};
}

}  // namespace apq::io
