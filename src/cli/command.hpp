// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "apq/comm/communicator.hpp"
#include "cli/run_status.hpp"

namespace apq::cli {

/// What the command line asks for; filled in while it is parsed.
struct Command {
  bool parallel = false;  ///< starts MPI; everything else works where MPI does not
  std::function<void(comm::Communicator&)> action;
  RunStatus status;  ///< of the run folder, once the action knows it
};

/// One function per group of subcommands.
void add_run_commands(CLI::App& app, Command& command);      ///< run and the single stages
void add_inspect_commands(CLI::App& app, Command& command);  ///< check, cost, dump-config
void add_lut_commands(CLI::App& app, Command& command);      ///< lut
void add_result_commands(CLI::App& app, Command& command);   ///< evaluate, report, pairs
void add_bench_commands(CLI::App& app, Command& command);    ///< bench engine
void add_jobs_commands(CLI::App& app, Command& command);     ///< jobs init
void add_study_commands(CLI::App& app, Command& command);    ///< study scaling, transfer, labels, ...

/// Adds "--set KEY=VALUE", any number of times.
void add_overrides(CLI::App& app, std::vector<std::string>& overrides);
/// Adds an example line per entry to the subcommand's help.
void add_examples(CLI::App& app, const std::vector<std::string>& examples);
/// To standard output. Error(io) when it cannot be written; a reader that went away is no error.
void print(const std::string& text);

/// Seconds of "90", "90s", "5m" or "1h30m". Throws CLI::ValidationError.
double parse_duration(const std::string& text);
/// Error(usage) unless the last part of the path can be a run folder's name.
void check_run_folder(const std::filesystem::path& folder);

}  // namespace apq::cli
