// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <iostream>
#include <memory>

#include "apq/config/config.hpp"
#include "apq/core/error.hpp"
#include "apq/io/files.hpp"
#include "apq/pipeline/pipeline.hpp"
#include "apq/report/report.hpp"
#include "apq/space/search_space.hpp"
#include "cli/command.hpp"

namespace apq::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  fs::path config;
  std::vector<std::string> overrides;
  std::string genome;
  std::string layers;
  std::string model;
  fs::path picture;
  int batch = 0;
  bool breakdown = false;
};

/// The text of a file, or of standard input for "-"; at most `max_bytes`.
std::string read_input(const std::string& file, std::size_t max_bytes) {
  if (file != "-") return io::read_text(file, max_bytes, ErrorKind::data);
  std::string text;
  for (char c; text.size() <= max_bytes && std::cin.get(c);) text += c;
  validate(text.size() <= max_bytes, ErrorKind::data, "standard input is too long (more than {} bytes)",
           max_bytes);
  return text;
}

/// A genome's text without the blanks around it.
std::string read_genome(const std::string& file) {
  constexpr std::size_t kMaxBytes = 1 << 16;
  const std::string text = read_input(file, kMaxBytes);
  const char* blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  validate(first != std::string::npos, ErrorKind::data,
           "no genome in {} (it is empty) give one as in pareto.csv", file == "-" ? "standard input" : file);
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// The configuration that says what is charged, without one the space and counting of the paper; with the
/// model, if one is named.
config::Config cost_config(const Options& options) {
  validate(!options.config.empty() || options.overrides.empty(), ErrorKind::usage,
           "--set needs a configuration (there is nothing to override) give --config");
  config::Config config;
  if (options.config.empty()) {
    config.space = space::paper_space();
    config.hardware.counting = "apq";
  } else {
    config = config::load(options.config, options.overrides);
  }
  if (options.model == "bitfusion") {
    config.hardware.device = options.model;
  } else if (!options.model.empty()) {
    validate(fs::exists(options.model), ErrorKind::usage,
             "unknown model '{}' (neither bitfusion nor the file of a table) use one of these",
             options.model);
    config.hardware.device = "lut";
    config.hardware.table = options.model;
  }
  validate(options.batch == 0 || config.hardware.device == "bitfusion", ErrorKind::usage,
           "--batch = {} (a table has the batch it was measured with) leave it out", options.batch);
  if (options.batch != 0) config.hardware.bitfusion.batch = options.batch;
  return config;
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

void draw_breakdown(const config::Config& config, const std::string& genome, const fs::path& picture) {
  std::vector<std::pair<std::string, double>> bars;
  double total = 0;
  for (const pipeline::LayerCost& l : pipeline::cost_breakdown(config, genome))
    if (l.counted) {
      bars.emplace_back(
          fmt::format("{} W{}A{}", l.layer.name(), l.layer.weight_bits, l.layer.activation_bits),
          l.latency_ms);
      total += l.latency_ms;
    }
  const auto title = fmt::format("{:.4g} ms in {} layers, {}", total, bars.size(), config.hardware.device);
  report::draw_bars(bars, title, picture);
}

void add_cost(CLI::App& app, Command& command) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("cost", "Print what a network, or each of some layers, costs");
  sub->add_option("--model", options->model, "bitfusion, or a table's file (default: the configuration's)")
      ->type_name("NAME");
  sub->add_option(
         "--config", options->config,
         "Configuration with space and hardware (default: the paper's space, counted as by its code)")
      ->type_name("FILE");
  CLI::Option* genome = sub->add_option("--genome", options->genome,
                                        "File with the genome's text, as in pareto.csv; - is standard input")
                            ->type_name("FILE");
  sub->add_option(
         "--layers", options->layers,
         "CSV with columns cin,cout,size,kernel,stride,groups,wbits,abits; - is standard input. Prints "
         "its rows with latency_ms and energy_mj")
      ->type_name("FILE")
      ->excludes(genome);
  sub->add_option("--batch", options->batch,
                  "Images computed together on BitFusion (default: the configuration's)")
      ->check(CLI::Range(1, 65536))
      ->type_name("N");
  sub->add_flag("--breakdown", options->breakdown, "Also the share of each layer")->needs(genome);
  sub->add_option("--picture", options->picture, "Draw the layers' latencies, PNG or SVG")
      ->type_name("FILE")
      ->needs(genome);
  add_overrides(*sub, options->overrides);
  add_examples(
      *sub, {"apq cost --config configs/quickstart.yaml --genome genome.txt --breakdown --picture bars.png",
             "tail -n 1 results/quickstart/pairs_int8.csv | cut -d, -f10 | apq cost --config "
             "configs/quickstart.yaml --genome -",
             "apq cost --model bitfusion --layers layers.csv --batch 16"});
  sub->callback([&command, options] {
    command.action = [options](comm::Communicator&) {
      constexpr std::size_t kMaxBytes = std::size_t{1} << 26;
      validate(!options->genome.empty() || !options->layers.empty(), ErrorKind::usage,
               "nothing to cost (neither --genome nor --layers) give one");
      const config::Config config = cost_config(*options);
      if (!options->layers.empty())
        return print(pipeline::cost_layers(config, read_input(options->layers, kMaxBytes),
                                           options->layers == "-" ? "standard input" : options->layers));
      const std::string text = read_genome(options->genome);
      print(pipeline::cost_table(config, text, options->breakdown));
      if (!options->picture.empty()) draw_breakdown(config, text, options->picture);
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
