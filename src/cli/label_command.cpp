// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "cli/label_command.hpp"

#include <memory>

#include "apq/config/config.hpp"
#include "apq/pipeline/label_study.hpp"
#include "apq/report/labels.hpp"

namespace apq::cli {
namespace {

namespace fs = std::filesystem;

struct LabelCommand {
  fs::path config;
  std::vector<std::string> overrides;
  bool only_report = false;
  pipeline::LabelOptions options;
};

void study_labels(comm::Communicator& comm, const LabelCommand& command) {
  std::string setting = "Unfinished";
  if (!command.only_report) {
    const config::Config config = config::load(command.config, command.overrides);
    pipeline::LabelOptions options = command.options;
    if (options.from.empty()) options.from = fs::path("results") / config.name;
    setting = pipeline::study_labels(comm, config, options);
  }
  if (comm.root()) print(setting + "\n" + report::write_labels(command.options.out, setting));
}

void add_recipes(CLI::App& sub, pipeline::LabelOptions& options) {
  sub.add_option("--steps", options.steps, "Int8 recipes: pairs.qat with so many steps")
      ->delimiter(',')
      ->check(CLI::Range(0, 10000000))
      ->capture_default_str();
  sub.add_option("--epochs", options.epochs, "And with so many epochs")
      ->delimiter(',')
      ->check(CLI::Range(0.001, 1000.0))
      ->capture_default_str();
  sub.add_option("--reference-epochs", options.reference_epochs,
                 "Epochs of finetune.qat that int8 labels are compared with (default: finetune.epochs)")
      ->check(CLI::Range(0.001, 1000.0));
  sub.add_option("--repeats", options.repeats,
                 "Labels by each of --steps, each with another order of the training images")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  sub.add_option("--recalibration", options.recalibration, "Fp32 recipes: images for batch statistics")
      ->delimiter(',')
      ->check(CLI::Range(1, 100000000))
      ->capture_default_str();
  sub.add_option("--validation", options.validation, "With each of so many validation images; 0: all")
      ->delimiter(',')
      ->check(CLI::Range(0, 100000000))
      ->capture_default_str();
}

}  // namespace

void add_study_labels(CLI::App& study, Command& command) {
  auto options = std::make_shared<LabelCommand>();
  CLI::App* sub = study.add_subcommand(
      "labels",
      "How short the training of a pair may be: labels by several recipes against a full fine-tuning");
  sub->add_option("--config", options->config, "Configuration, a YAML file")->required()->type_name("FILE");
  sub->add_option("--from", options->options.from,
                  "Run with the supernet (default: results/<name of the configuration>)")
      ->type_name("RUN");
  sub->add_option("--out", options->options.out,
                  "Folder for tables and plots; a stopped study continues there")
      ->required()
      ->type_name("DIR");
  sub->add_option("--networks", options->options.networks, "Networks, spread over the space by BitOps")
      ->check(CLI::Range(2, 100000))
      ->capture_default_str();
  add_recipes(*sub, options->options);
  sub->add_flag("--only-report", options->only_report,
                "Measure nothing: tables of the labels there are so far");
  add_overrides(*sub, options->overrides);
  add_examples(*sub,
               {"mpirun -n 2 apq study labels --config configs/fashion-mnist.yaml --from "
                "results/fashion-mnist --out results/labels",
                "apq study labels --config configs/quickstart.yaml --out results/labels --steps 0,10,30 "
                "--epochs 0.5 --reference-epochs 2 --repeats 1"});
  sub->callback([&command, options] {
    command.parallel = true;
    command.action = [options](comm::Communicator& comm) { study_labels(comm, *options); };
  });
}

}  // namespace apq::cli
