// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <memory>

#include "apq/core/error.hpp"
#include "apq/pipeline/pipeline.hpp"
#include "apq/report/report.hpp"
#include "cli/command.hpp"

namespace apq::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  fs::path from;
  std::string network;
  bool headline = false;
};

CLI::App* add_subcommand(CLI::App& app, const std::string& name, const std::string& text, Options& options) {
  CLI::App* sub = app.add_subcommand(name, text);
  sub->add_option("--from", options.from, "Run folder")->required()->type_name("RUN");
  return sub;
}

void add_evaluate(CLI::App& app, Command& command) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = add_subcommand(app, "evaluate", "Measure a run's networks again on the test set", *options);
  sub->add_option("--network", options->network, "Only this one (default: all)")->type_name("NAME");
  add_examples(
      *sub, {"apq evaluate --from results/quickstart", "apq evaluate --from results/quickstart --network 1"});
  sub->callback([&command, options] {
    command.action = [options](comm::Communicator&) {
      print(pipeline::evaluate(options->from, options->network));
    };
  });
}

void add_report(CLI::App& app, Command& command) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = add_subcommand(app, "report", "Write report.html with tables and plots of a run", *options);
  sub->add_flag("--headline", options->headline, "Only print the table of networks");
  add_examples(*sub,
               {"apq report --from results/quickstart", "apq report --from results/quickstart --headline"});
  sub->callback([&command, options] {
    command.action = [options](comm::Communicator&) {
      if (!options->headline) report::write(options->from);
      print(options->headline ? report::headline(options->from) : (options->from / "report.html").string());
    };
  });
}

struct PairsOptions {
  fs::path from, out;
  std::vector<fs::path> files;
};

void add_pairs(CLI::App& app, Command& command) {
  CLI::App* pairs = app.add_subcommand("pairs", "Take measured pairs from one folder to another");
  pairs->require_subcommand(1);
  auto options = std::make_shared<PairsOptions>();
  CLI::App* out = pairs->add_subcommand("export", "Write a run's pairs into one file, with their recipe");
  out->add_option("--from", options->from, "Run folder")->required()->type_name("RUN");
  out->add_option("--out", options->out, "File to write")->required()->type_name("FILE");
  add_examples(*out, {"apq pairs export --from results/quickstart --out pairs.csv"});
  out->callback([&command, options] {
    command.action = [options](comm::Communicator&) {
      print(pipeline::export_pairs(options->from, options->out));
    };
  });
  CLI::App* append = pairs->add_subcommand(
      "append",
      "Put such files into a folder, new or with pairs; a network with several labels gets their mean");
  append->add_option("FILES", options->files, "Files of 'apq pairs export', all of one recipe")
      ->required()
      ->type_name("FILE");
  append->add_option("--out", options->out, "Folder, no run; for --from of later stages")
      ->required()
      ->type_name("DIR");
  add_examples(*append,
               {"apq pairs append monday.csv tuesday.csv --out results/pairs",
                "apq predictor configs/quickstart.yaml --from results/pairs --out results/predictor"});
  append->callback([&command, options] {
    command.action = [options](comm::Communicator&) {
      print(pipeline::append_pairs(options->files, options->out));
    };
  });
}

}  // namespace

void add_result_commands(CLI::App& app, Command& command) {
  add_pairs(app, command);
  add_evaluate(app, command);
  add_report(app, command);
}

}  // namespace apq::cli
