// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "report/gnuplot.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "apq/core/error.hpp"

namespace apq::report {
namespace {

/// What the child does before it becomes gnuplot: quiet, in the folder of the script.
class FileActions {
 public:
  explicit FileActions(const std::filesystem::path& folder) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

}  // namespace

std::string run_gnuplot(const std::filesystem::path& folder, const std::string& script) {
  const FileActions actions(folder);
  std::string program = "gnuplot", no_user_settings = "-d", argument = script;
  const std::array<char*, 4> arguments{program.data(), no_user_settings.data(), argument.data(), nullptr};
  pid_t child = 0;
  if (const int error =
          posix_spawnp(&child, program.c_str(), actions.get(), nullptr, arguments.data(), environ))
    return fmt::format("gnuplot cannot be started ({}) install gnuplot",
                       std::generic_category().message(error));
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return "gnuplot was lost";
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  return fmt::format("gnuplot failed on {} (status {}) run it by hand to see why", script, status);
}

}  // namespace apq::report
