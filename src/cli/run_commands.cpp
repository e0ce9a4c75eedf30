// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <memory>

#include "apq/config/config.hpp"
#include "apq/core/error.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/pipeline/pipeline.hpp"
#include "apq/report/report.hpp"
#include "cli/command.hpp"

namespace apq::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  fs::path config;
  fs::path out;
  fs::path from;
  fs::path pairs;
  bool resume = false;
  std::vector<std::string> overrides;
  double max_time = 0;
};

CLI::App* add_subcommand(CLI::App& app, const std::string& name, const std::string& text, Options& options) {
  CLI::App* sub = app.add_subcommand(name, text);
  sub->add_option("CONFIG", options.config, "Configuration, a YAML file")->required()->type_name("FILE");
  sub->add_option("--out", options.out, "Run folder (default: results/<name of the configuration>)")
      ->type_name("DIR");
  sub->add_flag("--resume", options.resume, "Continue an unfinished run in the run folder");
  add_overrides(*sub, options.overrides);
  sub->add_option_function<std::string>(
         "--max-time", [&options](const std::string& text) { options.max_time = parse_duration(text); },
         "Save and stop with exit code 75 after that time, e.g. 90s, 5m, 1h30m (default: shortly "
         "before the batch job's own limit, where SLURM_JOB_END_TIME tells it)")
      ->type_name("TIME");
  return sub;
}

/// Runs stages and returns the run folder.
fs::path run_stages(comm::Communicator& comm, const Options& options, std::vector<pipeline::Stage> stages,
                    RunStatus& status) {
  stop::set_max_time(options.max_time > 0 ? options.max_time : stop::job_seconds_left());
  const config::Config config = config::load(options.config, options.overrides);
  const fs::path out = options.out.empty() ? fs::path("results") / config.name : options.out;
  check_run_folder(out);
  status.watch(out);
  comm.barrier();  // everybody has seen the folder as it was
  pipeline::run(comm, config,
                {.out = out,
                 .from = options.from,
                 .pairs = options.pairs,
                 .resume = options.resume,
                 .stages = std::move(stages)});
  return out;
}

/// A run that ended well stays so when its report cannot be written.
void finish(const fs::path& run, const RunStatus& status) {
  try {
    if (status.written() || !fs::exists(run / "report.html")) report::write(run);
    print(report::headline(run));
  } catch (const Error& e) {
    log::warn("no report: {}", e.what());
  }
}

void add_stage(CLI::App& app, Command& command, pipeline::Stage stage, const std::string& text) {
  const std::string name = pipeline::stage_name(stage);
  auto options = std::make_shared<Options>();
  CLI::App* sub = add_subcommand(app, name, text, *options);
  sub->add_option("--from", options->from, "Run folder to read inputs from (default: the run folder itself)")
      ->type_name("RUN");
  std::vector<std::string> examples{
      fmt::format("apq {} configs/quickstart.yaml", name),
      fmt::format("mpirun -n 2 apq {} configs/quickstart.yaml --from results/quickstart --out results/again",
                  name)};
  if (stage == pipeline::Stage::collect) {
    sub->add_option("--pairs", options->pairs,
                    "Folder with pairs measured in the same way, which are taken over, and pairs.txt")
        ->type_name("DIR");
    examples.emplace_back(
        "mpirun -n 2 apq collect configs/quickstart.yaml --from results/quickstart --pairs "
        "results/quickstart "
        "--set pairs.int8=500 --out results/more");
  }
  add_examples(*sub, examples);
  sub->callback([&command, options, stage] {
    command.parallel = true;
    command.action = [&command, options, stage](comm::Communicator& comm) {
      run_stages(comm, *options, {stage}, command.status);
    };
  });
}

void add_run(CLI::App& app, Command& command) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = add_subcommand(app, "run", "Run all stages", *options);
  add_examples(
      *sub,
      {"mpirun -n 2 apq run configs/quickstart.yaml",
       "apq run configs/quickstart.yaml --out results/short --set search.generations=50 --max-time 10m"});
  sub->callback([&command, options] {
    command.parallel = true;
    command.action = [&command, options](comm::Communicator& comm) {
      const fs::path run = run_stages(comm, *options, {}, command.status);
      if (comm.root()) finish(run, command.status);
    };
  });
}

}  // namespace

void add_run_commands(CLI::App& app, Command& command) {
  add_run(app, command);
  using pipeline::Stage;
  add_stage(app, command, Stage::supernet, "Train the once-for-all network");
  add_stage(app, command, Stage::collect, "Measure networks for the accuracy predictors to learn from");
  add_stage(app, command, Stage::predictor, "Train the accuracy predictors");
  add_stage(app, command, Stage::search, "Search the best network of each budget on islands");
  add_stage(app, command, Stage::finetune, "Train the chosen networks and measure them on the test set");
}

}  // namespace apq::cli
