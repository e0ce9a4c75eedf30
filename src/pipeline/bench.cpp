// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/pipeline/bench.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apq/comm/agreement.hpp"
#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "apq/island/archipelago.hpp"
#include "apq/island/topology.hpp"
#include "apq/island/traffic.hpp"
#include "apq/nn/mlp.hpp"
#include "apq/nn/ops.hpp"
#include "apq/predictor/predictor.hpp"
#include "pipeline/context.hpp"
#include "pipeline/costs.hpp"

namespace apq::pipeline {
namespace {

using Json = nlohmann::ordered_json;

/// Predictor and cost model like eval::PredictedEvaluator, with a clock at each.
class TimedEvaluator final : public search::Evaluator {
 public:
  TimedEvaluator(const predictor::Predictor& predictor, const hw::CostModel& costs)
      : predictor_(&predictor), costs_(&costs) {}

  void evaluate(std::span<const space::Genome> genomes, std::span<search::Score> scores) override {
    Timer timer;
    accuracy_.resize(genomes.size());
    predictor_->predict(genomes, accuracy_);
    predict_seconds += timer.seconds();
    timer = {};
    for (std::size_t i = 0; i < genomes.size(); ++i)
      scores[i] = {accuracy_[i], costs_->cost(genomes[i]).values};
    cost_seconds += timer.seconds();
  }

  /// A clock at every call would cost as much as the call: every 64th is timed and stands for all.
  double cost(const space::Genome& genome, int metric) const override {
    if (++drawn % kSampled != 0) return costs_->cost(genome, static_cast<hw::Metric>(metric));
    const Timer timer;
    const double value = costs_->cost(genome, static_cast<hw::Metric>(metric));
    sampled_seconds += kSampled * timer.seconds();
    return value;
  }

  double predict_seconds = 0, cost_seconds = 0;
  mutable double sampled_seconds = 0;
  mutable std::int64_t drawn = 0;  ///< genomes that were costed while they were made

 private:
  static constexpr int kSampled = 64;
  const predictor::Predictor* predictor_;
  const hw::CostModel* costs_;
  std::vector<double> accuracy_;
};

/// A predictor that counts as trained: its random weights take as long as any.
predictor::Predictor untrained(const config::Config& config, const space::SearchSpace& space,
                               const std::string& inference) {
  predictor::PredictorOptions options = config.predictor;
  options.inference = inference;
  predictor::Predictor predictor(space, true, options, config.seed);
  predictor.load(predictor.weights());
  return predictor;
}

/// How each precision ranks random networks compared with fp32, and how fast it predicts them.
Json inference_table(const config::Config& config, const space::SearchSpace& space) {
  constexpr int kNetworks = 2000;
  std::vector<space::Genome> genomes;
  for (int i = 0; i < kNetworks; ++i) {
    RandomStream random(config.seed, Purpose::random_search, static_cast<std::uint64_t>(i));
    genomes.push_back(space.canonical(space.sample(random)));
  }
  std::vector<double> exact(genomes.size()), predicted(genomes.size());
  untrained(config, space, "fp32").predict(genomes, exact);
  Json table = Json::object();
  for (const std::string& precision : nn::precisions()) {
    const auto predictor = untrained(config, space, precision);
    predictor.predict(genomes, predicted);  // the first call prepares
    const Timer timer;
    predictor.predict(genomes, predicted);
    const double seconds = timer.seconds();
    const auto quality = predictor::quality(predicted, exact);
    table[precision] = {{"kendall_tau", quality.kendall_tau},
                        {"spearman", quality.spearman},
                        {"predicted_per_s", kNetworks / seconds}};
  }
  return table;
}

struct World {
  World(comm::Communicator& comm, const config::Config& config)
      : space(config.space),
        costs(make_costs(config, space)),
        budgets(make_budgets(config, costs)),
        comm_(comm),
        config_(config) {}
  island::Archipelago islands(const island::ArchipelagoOptions& options,
                              const search::EvolutionOptions& evolution) const {
    return {comm_, space, budgets, evolution, options, config_.seed, config_.search.algorithm};
  }

  space::SearchSpace space;
  hw::CostModel costs;
  std::vector<search::Budget> budgets;

 private:
  comm::Communicator& comm_;
  const config::Config& config_;
};

/// Sums over ranks.
std::vector<double> sum(comm::Communicator& comm, std::vector<double> values) {
  comm.sum(std::span<double>(values));
  return values;
}

}  // namespace

std::string bench_search(comm::Communicator& comm, const config::Config& config, int generations, bool json) {
  nn::set_threads(config.threads);
  const World world(comm, config);
  const auto predictor = untrained(config, world.space, config.predictor.inference);
  TimedEvaluator evaluator(predictor, world.costs);
  island::Archipelago islands = world.islands(config.search.islands, make_evolution(config.search));
  islands.initialise(evaluator);
  islands.step(evaluator);  // caches are warm, memory is there
  const island::Effort before = islands.effort();
  const std::int64_t scored_before = islands.scorer().scored(), known_before = islands.scorer().remembered();
  evaluator.predict_seconds = evaluator.cost_seconds = evaluator.sampled_seconds = 0;
  evaluator.drawn = 0;
  comm.barrier();
  const Timer timer;
  comm::Agreement agreement(comm);  // on whether to stop, as a search does
  double polling = 0, agreeing = 0;
  for (int g = 0; g < generations; ++g) {
    islands.step(evaluator);
    if (config.search.islands.asynchronous()) continue;
    const Timer exchanging;
    agreement.poll();
    const double polled = exchanging.seconds();
    if ((g + 1) % island::kGenerationsPerAgreement == 0) agreement.next(0);
    polling += polled;
    agreeing += exchanging.seconds() - polled;
  }
  const Timer ending;
  agreement.last();
  islands.settle();
  agreeing += ending.seconds();
  const double own = timer.seconds();
  comm.barrier();
  const double seconds = timer.seconds();
  const island::Effort& after = islands.effort();
  const double cost = evaluator.cost_seconds + evaluator.sampled_seconds;
  const double vary = after.vary - before.vary - evaluator.sampled_seconds;
  const double remember = after.score - before.score - evaluator.predict_seconds - evaluator.cost_seconds;
  const double communicate = after.communicate - before.communicate + polling;
  const double wait = after.wait - before.wait + agreeing;
  const auto busiest = static_cast<double>(comm.max(std::llround(1e9 * (own - communicate - wait)))) * 1e-9;
  const auto all = sum(comm, {static_cast<double>(islands.scorer().scored() - scored_before),
                              static_cast<double>(islands.scorer().remembered() - known_before),
                              static_cast<double>(evaluator.drawn), own, vary, cost,
                              evaluator.predict_seconds, remember, after.select - before.select, communicate,
                              wait, static_cast<double>(after.messages - before.messages),
                              static_cast<double>(after.bytes - before.bytes)});
  if (!comm.root()) return "";

  const double scored = all[0], known = all[1], drawn = all[2], total = all[3];
  const char* names[] = {"vary", "cost", "predict", "remember", "select", "communicate", "wait"};
  Json phases = Json::object();
  for (std::size_t i = 0; i < std::size(names); ++i) phases[names[i]] = all[4 + i] / total;
  const double hidden = config.predictor.hidden;
  const double flop = scored * 4 * hidden * hidden * config.predictor.members;
  const Json result{
      {"ranks", comm.size()},
      {"threads", config.threads},
      {"algorithm", config.search.algorithm},
      {"mode", config.search.islands.mode},
      {"islands", config.search.islands.islands},
      {"budgets", world.budgets.size()},
      {"inference", config.predictor.inference},
      {"generations", generations},
      {"seconds", seconds},
      {"scored_per_s", scored / seconds},
      {"costed_per_s", (drawn + scored) / seconds},
      {"generated_per_s", drawn / seconds},
      {"known_already_per_s", known / seconds},
      {"product_gflop_per_s", flop / seconds / 1e9},
      {"share_of_time", phases},
      // As in the POP methodology: shared-out computing over the busiest rank's, and the time that one loses.
      {"load_balance", (total - all[9] - all[10]) / comm.size() / busiest},
      {"lost_to_communication", 1 - busiest / seconds},
      {"messages", all[11]},
      {"message_bytes", all[12]},
      {"precisions", inference_table(config, world.space)}};
  if (json) return result.dump(1);

  std::string text = fmt::format(
      "search loop: {} islands x {} budgets, {} ({}), {} generations on {} ranks x {} threads in {:.2f} s\n"
      "scored     {:12.0f} genomes/s ({} inference, {:.0f} GFLOP/s in the hidden products)\n"
      "costed     {:12.0f} genomes/s\ngenerated  {:12.0f} genomes/s\nknown      {:12.0f} genomes/s\n",
      config.search.islands.islands, world.budgets.size(), config.search.algorithm,
      config.search.islands.mode, generations, comm.size(), config.threads, seconds, scored / seconds,
      config.predictor.inference, flop / seconds / 1e9, (drawn + scored) / seconds, drawn / seconds,
      known / seconds);
  for (const auto& [name, share] : phases.items())
    text += fmt::format("{:11} {:6.2f} % of the time\n", name, 100 * share.get<double>());
  text += fmt::format(
      "the busiest rank computes in {:.2f} % of the time, the mean one {:.3f} times as long\n"
      "messages    {:.0f}, {:.0f} bytes\n",
      100 * busiest / seconds, result["load_balance"].get<double>(), all[11], all[12]);
  for (const auto& [name, figures] : result["precisions"].items())
    text += fmt::format(
        "{:5} inference: Kendall tau {:.5f} and Spearman {:.6f} against fp32, {:.0f} genomes/s "
        "on one rank\n",
        name, figures["kendall_tau"].get<double>(), figures["spearman"].get<double>(),
        figures["predicted_per_s"].get<double>());
  return text;
}

std::string bench_islands(comm::Communicator& comm, const config::Config& config, int simulate, bool json) {
  const World world(comm, config);
  const auto predictor = untrained(config, world.space, config.predictor.inference);
  TimedEvaluator evaluator(predictor, world.costs);
  island::ArchipelagoOptions options = config.search.islands;
  options.migration_interval = 1;
  options.mode = "synchronous";
  const search::EvolutionOptions evolution = make_evolution(config.search);
  const std::int64_t bytes = island::bytes_per_island(
      world.space, static_cast<std::int64_t>(world.budgets.size()), options.migrants);
  Json result{{"ranks", comm.size()}, {"bytes_per_island", bytes}, {"topologies", Json::object()}};
  std::string text =
      fmt::format("migrants of an island: {} bytes\n{:20} {:>8} {:>6} {:>10} {:>12} {:>10} {:>12}\n", bytes,
                  "topology", "islands", "ranks", "messages", "bytes", "most of one", "its bytes");
  for (const std::string& topology : island::topologies()) {
    options.topology = topology;
    island::Archipelago islands = world.islands(options, evolution);
    islands.initialise(evaluator);
    islands.step(evaluator);
    islands.settle();
    const auto counted = sum(
        comm, {static_cast<double>(islands.effort().messages), static_cast<double>(islands.effort().bytes)});
    if (!comm.root()) continue;
    const auto said = island::model_traffic(topology, options.islands, comm.size(), bytes, config.seed);
    const bool agrees =
        counted[0] == static_cast<double>(said.messages) && counted[1] == static_cast<double>(said.bytes);
    Json rows = Json::array();
    for (int n = 1; n <= simulate; n *= 2) {
      const auto t = island::model_traffic(topology, n, n, bytes, config.seed);
      rows.push_back({{"islands", n},
                      {"messages", t.messages},
                      {"bytes", t.bytes},
                      {"most_messages_of_a_rank", t.most_messages},
                      {"most_bytes_of_a_rank", t.most_bytes}});
      if (n == 4 || 2 * n > simulate)
        text += fmt::format("{:20} {:8} {:6} {:10} {:12} {:10} {:12}\n", topology, n, n, t.messages, t.bytes,
                            t.most_messages, t.most_bytes);
    }
    text +=
        fmt::format("{:20} {:8} {:6} {:10.0f} {:12.0f} counted here; the model says {} and {}\n", topology,
                    options.islands, comm.size(), counted[0], counted[1], said.messages, said.bytes);
    result["topologies"][topology] = {{"islands", options.islands},
                                      {"messages_counted", counted[0]},
                                      {"bytes_counted", counted[1]},
                                      {"messages_modelled", said.messages},
                                      {"bytes_modelled", said.bytes},
                                      {"agrees", agrees},
                                      {"simulated", rows}};
  }
  if (!comm.root()) return "";
  return json ? result.dump(1) : text;
}

}  // namespace apq::pipeline
