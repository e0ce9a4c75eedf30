// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace apq {

/// What failed; the value is the program's exit code.
enum class ErrorKind {
  internal = 1,     ///< anything else
  usage = 2,        ///< command line or configuration
  data = 3,         ///< input data
  checkpoint = 4,   ///< a checkpoint that cannot be used
  io = 5,           ///< permissions, full disk
  numeric = 6,      ///< NaN or infinity where none may be
  locked = 7,       ///< another run owns the folder
  environment = 8,  ///< MPI, instruction set, cores
};

/// Exit code of a run that saved its state and wants to be continued with --resume.
inline constexpr int kExitStoppedEarly = 75;

/// Every error the program throws on purpose. The text reads "problem (why) hint".
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

/// Thrown at a safe point after a stop was asked for (signal, --max-time) and the state was saved.
class StoppedEarly : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// fail(ErrorKind::data, "cannot read {} (file is {} bytes, header asks {})", ...)
template <class... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> text, Args&&... args) {
  throw Error(kind, fmt::format(text, std::forward<Args>(args)...));
}

/// Checks what a user can get wrong; always on.
template <class... Args>
void validate(bool ok, ErrorKind kind, fmt::format_string<Args...> text, Args&&... args) {
  if (!ok) fail(kind, text, std::forward<Args>(args)...);
}

/// Checks what only a bug can get wrong; always on, and never in an inner loop.
#define APQ_ASSERT(condition)                                                                              \
  do {                                                                                                     \
    if (!(condition))                                                                                      \
      ::apq::fail(::apq::ErrorKind::internal, "internal error ({} at {}:{}) please report it", #condition, \
                  __FILE__, __LINE__);                                                                     \
  } while (false)

}  // namespace apq
