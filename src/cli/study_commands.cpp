// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <sstream>

#include "apq/config/config.hpp"
#include "apq/core/error.hpp"
#include "apq/core/process.hpp"
#include "apq/core/progress.hpp"
#include "apq/io/files.hpp"
#include "apq/pipeline/active_study.hpp"
#include "apq/pipeline/transfer_study.hpp"
#include "apq/report/active.hpp"
#include "apq/report/scaling.hpp"
#include "apq/report/transfer.hpp"
#include "cli/command.hpp"
#include "cli/label_command.hpp"

namespace apq::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::vector<fs::path> from;
  fs::path out;
};

/// Median time of a sum of that many numbers over all ranks, as training sums its gradients.
double time_of_sum(comm::Communicator& comm, std::size_t count) {
  constexpr int kWarmUp = 5, kTimes = 41;
  std::vector<float> values(count, 1.0F);
  std::vector<double> seconds;
  for (int i = 0; i < kWarmUp + kTimes; ++i) {
    comm.barrier();
    const Timer timer;
    comm.sum(std::span<float>(values));
    if (i >= kWarmUp) seconds.push_back(timer.seconds());
    std::fill(values.begin(), values.end(), 1.0F);
  }
  std::nth_element(seconds.begin(), seconds.begin() + kTimes / 2, seconds.end());
  return seconds[kTimes / 2];
}

void measure_network(comm::Communicator& comm, const fs::path& out) {
  validate(comm.size() == 2, ErrorKind::usage,
           "the network is measured between two ranks (these are {}) use mpirun -n 2", comm.size());
  const std::string host = host_info().name;
  std::set<std::string> hosts;
  for (const comm::Bytes& bytes : comm.all_gather(std::as_bytes(std::span(host))))
    hosts.emplace(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  nlohmann::ordered_json sums = nlohmann::ordered_json::array();
  for (std::size_t count = 2; count <= std::size_t{1} << 21; count *= 4)
    sums.push_back({sizeof(float) * count, time_of_sum(comm, count)});
  if (!comm.root()) return;
  const nlohmann::ordered_json content{{"version", version()},
                                       {"mpi", comm::library_version()},
                                       {"hosts", hosts.size()},
                                       {"seconds_of_sum_by_bytes", sums}};
  io::write_atomically(out, content.dump(1) + "\n");
  print(out.string());
}

struct TransferCommand {
  fs::path config;
  std::vector<std::string> overrides, variants;
  pipeline::TransferOptions options;
};

/// A variant is "KEY=VALUE [KEY=VALUE...]" and changes keys of the predictor only.
pipeline::TransferVariant variant_of(const TransferCommand& command, const std::string& text) {
  std::vector<std::string> overrides = command.overrides;
  std::istringstream settings(text);
  for (std::string setting; settings >> setting; overrides.push_back(setting))
    validate(setting.starts_with("predictor."), ErrorKind::usage,
             "--variants '{}' changes more than the predictor (\"{}\") use keys that begin with predictor.",
             text, setting);
  auto options = config::load(command.config, overrides).predictor;
  options.transfer = true;
  return {text, options};
}

void study_transfer(comm::Communicator& comm, const TransferCommand& command) {
  const config::Config config = config::load(command.config, command.overrides);
  std::vector<pipeline::TransferVariant> variants;
  for (const std::string& text : command.variants) variants.push_back(variant_of(command, text));
  pipeline::TransferOptions options = command.options;
  if (options.from.empty()) options.from = fs::path("results") / config.name;
  const std::string setting = pipeline::study_transfer(comm, config, variants, options);
  if (comm.root()) print(setting + "\n" + report::write_transfer(options.out, setting));
}

void add_transfer(CLI::App& study, Command& command) {
  auto options = std::make_shared<TransferCommand>();
  CLI::App* sub = study.add_subcommand(
      "transfer", "Int8 predictors from the float one and from scratch, by number of pairs to train on");
  sub->add_option("--config", options->config, "Configuration, a YAML file")->required()->type_name("FILE");
  sub->add_option("--from", options->options.from,
                  "Run with the pairs (default: results/<name of the configuration>)")
      ->type_name("RUN");
  sub->add_option("--out", options->options.out, "Folder for tables and plots")->required()->type_name("DIR");
  sub->add_option("--pairs", options->options.pairs, "Numbers of int8 pairs to train on")
      ->delimiter(',')
      ->check(CLI::Range(2, 10000000))
      ->capture_default_str();
  sub->add_option("--seeds", options->options.seeds,
                  "Repeats, each with subsets and initial weights of its own")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  sub->add_option("--test", options->options.test, "Share of the int8 pairs that is only tested on")
      ->check(CLI::Range(0.01, 0.9))
      ->capture_default_str();
  sub->add_option(
         "--variants", options->variants,
         "Also transfer with other keys of the predictor: a text KEY=VALUE per variant, or several with "
         "blanks between")
      ->type_name("TEXT");
  add_overrides(*sub, options->overrides);
  add_examples(*sub,
               {"mpirun -n 2 apq study transfer --config configs/fashion-mnist.yaml --from "
                "results/fashion-mnist --out results/transfer",
                "apq study transfer --config configs/quickstart.yaml --out results/transfer --pairs 20,40 "
                "--variants predictor.trunk_rate=1"});
  sub->callback([&command, options] {
    command.parallel = true;
    command.action = [options](comm::Communicator& comm) { study_transfer(comm, *options); };
  });
}

struct ActiveCommand {
  fs::path config;
  std::vector<std::string> overrides;
  pipeline::ActiveOptions options;
};

void study_active(comm::Communicator& comm, const ActiveCommand& command) {
  const config::Config config = config::load(command.config, command.overrides);
  pipeline::ActiveOptions options = command.options;
  if (options.from.empty()) options.from = fs::path("results") / config.name;
  const std::string setting = pipeline::study_active(comm, config, options);
  if (comm.root()) print(setting + "\n" + report::write_active(options.out, setting));
}

void add_active(CLI::App& study, Command& command) {
  auto options = std::make_shared<ActiveCommand>();
  CLI::App* sub = study.add_subcommand(
      "active", "Fronts of searches that choose what is measured, and from as many random pairs");
  sub->add_option("--config", options->config, "Configuration, a YAML file")->required()->type_name("FILE");
  sub->add_option("--from", options->options.from,
                  "Run with the supernet and float pairs (default: results/<name of the configuration>)")
      ->type_name("RUN");
  sub->add_option("--pairs", options->options.pairs,
                  "Folder with the int8 pairs to draw from and pairs.txt (default: that of --from)")
      ->type_name("DIR");
  sub->add_option("--out", options->options.out,
                  "Folder for searches, tables and plots; the same command continues a stopped study")
      ->required()
      ->type_name("DIR");
  sub->add_option("--start", options->options.start, "Random int8 pairs that every search has")
      ->check(CLI::Range(2, 10000000))
      ->capture_default_str();
  sub->add_option("--seeds", options->options.seeds,
                  "Repeats, each with pairs, predictors and islands of its own")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  sub->add_option("--limits", options->options.limits, "Limits per budget at which a front is measured")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  sub->add_option("--repeats", options->options.repeats, "Measurements of each network of a front")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  sub->add_option("--reference", options->options.reference,
                  "Accuracy above which the hypervolume counts (default: the least of the int8 pairs)")
      ->check(CLI::Range(0.0, 1.0));
  add_overrides(*sub, options->overrides);
  add_examples(*sub, {"mpirun -n 2 apq study active --config configs/fashion-mnist.yaml --pairs "
                      "results/fashion-mnist/transfer/pairs --out results/active",
                      "apq study active --config configs/quickstart.yaml --out results/active --start 20 "
                      "--seeds 5 --set search.evaluated_elites=2"});
  sub->callback([&command, options] {
    command.parallel = true;
    command.action = [options](comm::Communicator& comm) { study_active(comm, *options); };
  });
}

}  // namespace

void add_study_commands(CLI::App& app, Command& command) {
  CLI::App* study =
      app.add_subcommand("study", "Studies: scaling, the predictor's transfer, labels, active learning");
  study->require_subcommand(1);
  auto options = std::make_shared<Options>();

  CLI::App* scaling =
      study->add_subcommand("scaling", "Gather the runs of jobs/scaling.sh into a table, plots and a model");
  scaling->add_option("--from", options->from, "Folders of the study")->required()->type_name("DIR");
  scaling->add_option("--out", options->out, "Folder for tables and plots")->required()->type_name("DIR");
  add_examples(*scaling, {"apq study scaling --from results/scaling --out results/scaling/report"});
  scaling->callback([&command, options] {
    command.action = [options](comm::Communicator&) {
      report::write_scaling(options->from, options->out);
      print((options->out / "scaling.md").string());
    };
  });

  CLI::App* network =
      study->add_subcommand("network", "Measure sums over two ranks, for the model of a scaling study");
  network->add_option("--out", options->out, "File to write")->required()->type_name("FILE");
  add_examples(*network, {"mpirun -n 2 apq study network --out results/scaling/network-n1.json"});
  network->callback([&command, options] {
    command.parallel = true;
    command.action = [options](comm::Communicator& comm) { measure_network(comm, options->out); };
  });

  add_transfer(*study, command);
  add_study_labels(*study, command);
  add_active(*study, command);
}

}  // namespace apq::cli
