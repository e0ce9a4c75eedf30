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
  sub->add_option("--network", options->network,
                  "Configuration whose largest network is measured; pairs: its sub-networks")
      ->capture_default_str()
      ->type_name("FILE");
  sub->add_option("--mode", options->bench.mode,
                  "What is measured: training in fp32 or bf16, evaluation in fp32 or int8, or the pair stage")
      ->check(CLI::IsMember({"train", "bf16", "fp32", "int8", "pairs"}))
      ->capture_default_str();
  sub->add_option("--kernel", options->kernel, "Kernel of every block (default: as in the file)")
      ->check(CLI::IsMember({3, 5, 7}));
  sub->add_option("--batch", options->bench.batch, "Images per step (pairs: as configured)")
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
  add_examples(*sub,
               {"apq bench engine --mode train --threads 2", "apq bench engine --mode int8 --kernel 7 --json",
                "apq bench engine --mode pairs --network configs/fashion-mnist.yaml --threads 2"});
  sub->callback([&command, options] {
    command.action = [options](comm::Communicator&) {
      config::Config config = config::load(options->network, options->overrides);
      if (options->kernel > 0)
        for (auto& stage : config.space.stages) stage.kernels = {options->kernel};
      print(options->bench.mode == "pairs" ? pipeline::bench_pairs(config, options->bench)
                                           : pipeline::bench_engine(config, options->bench));
    };
  });
}

struct Options {
  std::filesystem::path config;
  std::vector<std::string> overrides;
  int generations = 20;
  int simulate = 1024;
  bool json = false;
};

using Bench = std::string (*)(comm::Communicator&, const config::Config&, const Options&);

CLI::App* add(CLI::App& bench, Command& command, const std::string& name, const std::string& text,
              const std::shared_ptr<Options>& options, Bench run) {
  CLI::App* sub = bench.add_subcommand(name, text);
  sub->add_option("CONFIG", options->config, "Configuration, a YAML file")->required()->type_name("FILE");
  sub->add_flag("--json", options->json, "As JSON");
  add_overrides(*sub, options->overrides);
  sub->callback([&command, options, run] {
    command.parallel = true;
    command.action = [options, run](comm::Communicator& comm) {
      const std::string text = run(comm, config::load(options->config, options->overrides), *options);
      if (comm.root()) print(text);
    };
  });
  return sub;
}

}  // namespace

void add_bench_commands(CLI::App& app, Command& command) {
  CLI::App* bench = app.add_subcommand("bench", "Measure this machine and this program");
  bench->require_subcommand(1);
  add_engine(*bench, command);
  auto options = std::make_shared<Options>();
  CLI::App* search = add(*bench, command, "search", "Genomes a second in the search's whole loop", options,
                         [](comm::Communicator& comm, const config::Config& config, const Options& o) {
                           return pipeline::bench_search(comm, config, o.generations, o.json);
                         });
  search->add_option("--generations", options->generations, "Generations that are timed")
      ->check(CLI::Range(1, 1000000));
  add_examples(*search, {"mpirun -n 2 apq bench search configs/imagenet.yaml",
                         "apq bench search configs/imagenet.yaml --json --set predictor.inference=int8"});
  CLI::App* islands =
      add(*bench, command, "islands", "Messages of a migration, modelled and counted", options,
          [](comm::Communicator& comm, const config::Config& config, const Options& o) {
            return pipeline::bench_islands(comm, config, o.simulate, o.json);
          });
  islands->add_option("--simulate", options->simulate, "Largest number of islands that are modelled")
      ->check(CLI::Range(1, 65536));
  add_examples(*islands, {"mpirun -n 4 --oversubscribe apq bench islands configs/quickstart.yaml"});
}

}  // namespace apq::cli
