// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <memory>

#include "apq/config/config.hpp"
#include "apq/core/error.hpp"
#include "apq/io/files.hpp"
#include "apq/pipeline/pipeline.hpp"
#include "apq/report/report.hpp"
#include "cli/command.hpp"

namespace apq::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  fs::path config;
  std::vector<std::string> overrides;
  pipeline::LutOptions build;
  pipeline::ValidateOptions validate;
  fs::path table;
};

void add_config(CLI::App& sub, Options& options, bool required) {
  sub.add_option("--config", options.config, "Configuration with the space")
      ->required(required)
      ->type_name("FILE");
  add_overrides(sub, options.overrides);
}

void add_measuring(CLI::App& sub, int& batch, int& repeats, int& rounds) {
  sub.add_option("--batch", batch, "Images a network computes together (default 1)")->type_name("N");
  sub.add_option("--repeats", repeats, "Runs of a network in one round (default 100)")->type_name("N");
  sub.add_option("--rounds", rounds, "Rounds over all networks (default 6)")->type_name("N");
}

void add_build(CLI::App& app, Command& command) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("build", "Write a table of every layer the space can reach");
  sub->add_option("--device", options->build.device, "cpu: measure this machine; bitfusion: ask the model")
      ->type_name("NAME");
  add_config(*sub, *options, true);
  sub->add_option("--out", options->build.out, "The table's file")->required()->type_name("FILE");
  sub->add_option("--format", options->build.format, "apq (default) or public, that of the published table")
      ->type_name("NAME");
  add_measuring(*sub, options->build.batch, options->build.repeats, options->build.rounds);
  add_examples(
      *sub,
      {"apq lut build --device cpu --config configs/fashion-mnist.yaml --out cpu.json",
       "apq lut build --device bitfusion --format public --config configs/imagenet.yaml --out table.json"});
  sub->callback([&command, options] {
    command.parallel = options->build.device == "cpu";
    command.action = [options](comm::Communicator& comm) {
      const auto text =
          pipeline::build_table(comm, config::load(options->config, options->overrides), options->build);
      if (comm.root()) print(text);
    };
  });
}

void add_check(CLI::App& app, Command& command) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("check", "Validate a table, and that it covers a space");
  sub->add_option("TABLE", options->table, "Table of costs, own or public format")
      ->required()
      ->type_name("FILE");
  add_config(*sub, *options, false);
  add_examples(*sub, {"apq lut check cpu.json --config configs/fashion-mnist.yaml"});
  sub->callback([&command, options] {
    command.action = [options](comm::Communicator&) {
      if (options->config.empty()) return print(pipeline::check_table(options->table, nullptr));
      const config::Config config = config::load(options->config, options->overrides);
      print(pipeline::check_table(options->table, &config));
    };
  });
}

/// The CSV's columns predicted_ms and measured_ms as points.
std::vector<std::pair<double, double>> points_of(const fs::path& csv) {
  const io::CsvTable table = io::parse_csv(io::read_text(csv), csv.string());
  const std::size_t x = table.column("predicted_ms"), y = table.column("measured_ms");
  std::vector<std::pair<double, double>> points;
  for (const auto& row : table.rows) points.emplace_back(std::stod(row[x]), std::stod(row[y]));
  return points;
}

void add_validate(CLI::App& app, Command& command) {
  auto options = std::make_shared<Options>();
  pipeline::ValidateOptions& v = options->validate;
  CLI::App* sub =
      app.add_subcommand("validate", "Time random networks and compare with a table's predictions");
  add_config(*sub, *options, true);
  sub->add_option("--table", v.table, "Table of 'apq lut build --device cpu' on this machine")
      ->required()
      ->type_name("FILE");
  sub->add_option("--out", v.out, "Folder for validation.csv and a picture")->required()->type_name("DIR");
  sub->add_option("--networks", v.networks, "Random networks (default 40)")->type_name("N");
  sub->add_option("--precision", v.precision, "int8 (default) or fp32")
      ->check(CLI::IsMember({"int8", "fp32"}));
  add_measuring(*sub, v.batch, v.repeats, v.rounds);
  add_examples(*sub,
               {"apq lut validate --config configs/fashion-mnist.yaml --table cpu.json --out results/cpu"});
  sub->callback([&command, options] {
    command.parallel = true;
    command.action = [options](comm::Communicator& comm) {
      const auto text = pipeline::validate_table(comm, config::load(options->config, options->overrides),
                                                 options->validate);
      if (!comm.root()) return;
      print(text);
      const fs::path& out = options->validate.out;
      report::draw_agreement(points_of(out / "validation.csv"), "predicted by the table (ms)",
                             "measured (ms)", out / "validation.png");
    };
  });
}

}  // namespace

void add_lut_commands(CLI::App& app, Command& command) {
  CLI::App* lut = app.add_subcommand("lut", "Tables of layer costs: build, check, validate");
  lut->require_subcommand(1);
  add_build(*lut, command);
  add_check(*lut, command);
  add_validate(*lut, command);
}

}  // namespace apq::cli
