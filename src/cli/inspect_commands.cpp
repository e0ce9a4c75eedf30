// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <iostream>
#include <memory>

#include "apq/config/config.hpp"
#include "apq/core/error.hpp"
#include "apq/io/files.hpp"
#include "apq/pipeline/pipeline.hpp"
#include "cli/command.hpp"

namespace apq::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  fs::path config;
  std::vector<std::string> overrides;
  std::string genome;
  bool breakdown = false;
};

/// A genome's text from a file, or from standard input for "-".
std::string read_genome(const std::string& file) {
  constexpr std::size_t kMaxBytes = 1 << 16;
  std::string text;
  if (file == "-") {
    for (char c; text.size() <= kMaxBytes && std::cin.get(c);) text += c;
    validate(text.size() <= kMaxBytes, ErrorKind::data, "standard input is no genome (more than {} bytes)",
             kMaxBytes);
  } else {
    text = io::read_text(file, kMaxBytes, ErrorKind::data);
  }
  const char* blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  validate(first != std::string::npos, ErrorKind::data,
           "no genome in {} (it is empty) give one as in pareto.csv", file == "-" ? "standard input" : file);
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// The defaults, with one stage and one budget to show the keys of each.
config::Config defaults() {
  config::Config config;
  config.space.stages.emplace_back();
  config.budgets.emplace_back();
  return config;
}

void add_check(CLI::App& app, Command& command) {
  auto options = std::make_shared<Options>();
  CLI::App* sub =
      app.add_subcommand("check", "Dry run: validate, and print what the space can reach and what it takes");
  sub->add_option("CONFIG", options->config, "Configuration, a YAML file")->required()->type_name("FILE");
  add_overrides(*sub, options->overrides);
  add_examples(*sub, {"apq check configs/quickstart.yaml",
                      "apq check configs/cifar10.yaml --set data.path=cifar-10-batches-bin"});
  sub->callback([&command, options] {
    command.action = [options](comm::Communicator&) {
      print(pipeline::check(config::load(options->config, options->overrides)));
    };
  });
}

void add_cost(CLI::App& app, Command& command) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("cost", "Print what a network costs");
  sub->add_option("--config", options->config, "Configuration with space and hardware")
      ->required()
      ->type_name("FILE");
  sub->add_option("--genome", options->genome,
                  "File with the genome's text, as in pareto.csv; - is standard input")
      ->required()
      ->type_name("FILE");
  sub->add_flag("--breakdown", options->breakdown, "Also the share of each layer");
  add_overrides(*sub, options->overrides);
  add_examples(*sub, {"apq cost --config configs/quickstart.yaml --genome genome.txt --breakdown",
                      "tail -n 1 results/quickstart/pairs_int8.csv | cut -d, -f9 | apq cost --config "
                      "configs/quickstart.yaml --genome -"});
  sub->callback([&command, options] {
    command.action = [options](comm::Communicator&) {
      const config::Config config = config::load(options->config, options->overrides);
      print(pipeline::cost_table(config, read_genome(options->genome), options->breakdown));
    };
  });
}

void add_dump_config(CLI::App& app, Command& command) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("dump-config", "Print every key with its value, unit and meaning");
  sub->add_option("CONFIG", options->config, "Configuration, a YAML file (default: the defaults)")
      ->type_name("FILE");
  add_overrides(*sub, options->overrides);
  add_examples(*sub, {"apq dump-config > my.yaml", "apq dump-config configs/quickstart.yaml --set seed=2"});
  sub->callback([&command, options] {
    command.action = [options](comm::Communicator&) {
      validate(!options->config.empty() || options->overrides.empty(), ErrorKind::usage,
               "--set needs a configuration (there is nothing to override) give CONFIG");
      print(config::dump(options->config.empty() ? defaults()
                                                 : config::load(options->config, options->overrides)));
    };
  });
}

}  // namespace

void add_inspect_commands(CLI::App& app, Command& command) {
  add_check(app, command);
  add_cost(app, command);
  add_dump_config(app, command);
}

}  // namespace apq::cli
