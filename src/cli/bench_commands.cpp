// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <filesystem>
#include <memory>

#include "apq/config/config.hpp"
#include "apq/core/error.hpp"
#include "apq/pipeline/bench.hpp"
#include "cli/command.hpp"

namespace apq::cli {
namespace {

namespace fs = std::filesystem;

struct EngineOptions {
  fs::path network = "configs/bench/mbconv.yaml";
  int kernel = 0;
  std::vector<std::string> overrides;
  pipeline::EngineBench bench;
};

void add_engine(CLI::App& bench, Command& command) {
  auto options = std::make_shared<EngineOptions>();
  CLI::App* sub =
      bench.add_subcommand("engine", "Speed of training and evaluation, and how close to oneDNN's best");
  sub->add_option("--network", options->network, "Configuration whose largest network is measured")
      ->capture_default_str()
      ->type_name("FILE");
  sub->add_option("--mode", options->bench.mode, "What is measured")
      ->check(CLI::IsMember({"train", "fp32", "int8"}))
      ->capture_default_str();
  sub->add_option("--kernel", options->kernel, "Kernel of every block (default: as in the file)")
      ->check(CLI::IsMember({3, 5, 7}));
  sub->add_option("--batch", options->bench.batch, "Images per step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  sub->add_option("--threads", options->bench.threads, "Threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  sub->add_option("--seconds", options->bench.seconds, "Time to measure")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  sub->add_flag("--json", options->bench.json, "One JSON object instead of text");
  add_overrides(*sub, options->overrides);
  add_examples(
      *sub, {"apq bench engine --mode train --threads 2", "apq bench engine --mode int8 --kernel 7 --json"});
  sub->callback([&command, options] {
    command.action = [options](comm::Communicator&) {
      config::Config config = config::load(options->network, options->overrides);
      if (options->kernel > 0)
        for (auto& stage : config.space.stages) stage.kernels = {options->kernel};
      print(pipeline::bench_engine(config, options->bench));
    };
  });
}

}  // namespace

void add_bench_commands(CLI::App& app, Command& command) {
  CLI::App* bench = app.add_subcommand("bench", "Measure this machine and this program");
  bench->require_subcommand(1);
  add_engine(*bench, command);
}

}  // namespace apq::cli
