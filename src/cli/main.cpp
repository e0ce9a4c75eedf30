// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <chrono>
#include <cstdio>
#include <new>
#include <thread>

#include "apq/core/error.hpp"
#include "apq/core/fault.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/pipeline/pipeline.hpp"
#include "cli/command.hpp"

namespace apq::cli {
namespace {

std::string version_text() {
  std::string text = fmt::format("apq {}\n{}", version(), comm::library_version());
  for (const auto& [name, number] : pipeline::library_versions())
    text += fmt::format("\n{} {}", name, number);
  return text;
}

void complain(const std::string& text) {
  log::flush();
  std::fputs(("apq: " + text + "\n").c_str(), stderr);
}

/// What fails on one rank mostly fails on all: the root says it for all of them, and ends the job. True when
/// it has begun to do so.
bool root_reports_it(const comm::Communicator& comm) {
  using namespace std::chrono_literals;
  if (comm.root() || stop::stop_requested()) return false;
  for (int i = 0; i < 300 && !stop::stop_requested(); ++i) std::this_thread::sleep_for(10ms);
  return stop::stop_requested();
}

/// Says what went wrong, marks the run as failed, and ends all ranks when there are several.
int fail_with(comm::Communicator* comm, const Command& command, int code, const std::string& text) {
  const bool several = comm && comm->size() > 1;
  if (several && root_reports_it(*comm)) comm->abort(code);
  complain("error: " + (several ? fmt::format("[rank {}] ", comm->rank()) : "") + text);
  command.status.failed(code, text);
  if (several) comm->abort(code);
  return code;
}

int execute(Command& command) {
  std::unique_ptr<comm::Communicator> comm;
  try {
    stop::install_handlers();
    comm = command.parallel ? comm::make_mpi() : comm::make_serial();
    log::setup({.rank = comm->rank()});
    fault::arm_from_environment(comm->rank());
    pipeline::library_versions();  // refuses an unknown APQ_MAX_ISA before a thread of a team meets it
    command.action(*comm);
    return 0;
  } catch (const StoppedEarly& e) {
    if (!comm || comm->root()) complain(e.what());
    return kExitStoppedEarly;
  } catch (const Error& e) {
    return fail_with(comm.get(), command, e.exit_code(), e.what());
  } catch (const std::bad_alloc&) {
    return fail_with(comm.get(), command, static_cast<int>(ErrorKind::environment),
                     "out of memory (an allocation failed) choose smaller batches or fewer ranks per node");
  } catch (const std::exception& e) {
    return fail_with(comm.get(), command, static_cast<int>(ErrorKind::internal),
                     fmt::format("{} (not foreseen) please report it", e.what()));
  }
}

int usage_error(const CLI::App& app, const std::string& text) {
  const auto given = app.get_subcommands();
  complain(fmt::format("error: {} (command line) see apq {}--help", text,
                       given.empty() ? "" : given.front()->get_name() + " "));
  return static_cast<int>(ErrorKind::usage);
}

int main(int argc, char** argv) {
  CLI::App app(
      "Search a neural network's architecture, channel pruning and bit-widths under a hardware budget.");
  app.name("apq");
  app.set_version_flag("--version", [] { return version_text(); });
  app.require_subcommand(0, 1);
  add_examples(app, {"mpirun -n 2 apq run configs/quickstart.yaml", "apq check configs/quickstart.yaml"});
  Command command;
  add_run_commands(app, command);
  add_result_commands(app, command);
  add_inspect_commands(app, command);
  add_bench_commands(app, command);
  add_jobs_commands(app, command);
  add_study_commands(app, command);
  add_lut_commands(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    return usage_error(app, e.what());
  }
  if (!command.action) return usage_error(app, "no subcommand");
  return execute(command);
}

}  // namespace
}  // namespace apq::cli

int main(int argc, char** argv) { return apq::cli::main(argc, argv); }
