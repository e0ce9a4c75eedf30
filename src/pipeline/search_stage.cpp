// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <set>

#include "apq/comm/agreement.hpp"
#include "apq/core/error.hpp"
#include "apq/core/fault.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/core/watchdog.hpp"
#include "apq/eval/evaluators.hpp"
#include "apq/io/files.hpp"
#include "apq/island/archipelago.hpp"
#include "apq/search/pareto.hpp"
#include "pipeline/artifacts.hpp"
#include "pipeline/context.hpp"
#include "pipeline/costs.hpp"
#include "pipeline/measure.hpp"
#include "pipeline/pairs_file.hpp"
#include "pipeline/promising.hpp"
#include "pipeline/uniform.hpp"

namespace apq::pipeline {

namespace {

/// The search of one run on one rank: islands, the predictor they are scored with, and what was measured.
class Search {
 public:
  explicit Search(Context& c)
      : c_(c),
        net_(load_supernet(c)),
        truth_(*net_, *c.data),
        fp32_(c.space, false, c.config.predictor, c.config.seed),
        int8_(c.space, true, c.config.predictor, c.config.seed),
        predicted_(int8_, c.costs),
        islands_(c.comm, c.space, c.budgets, make_evolution(c.config.search), c.config.search.islands,
                 c.config.seed, c.config.search.algorithm),
        requests_(c.comm) {}

  void run();

 private:
  void start();
  void resume(const io::Archive& state);
  io::Archive state();
  void save(bool collective_state);
  void open_range();
  void measure_elites();
  int measured_from(const std::string& source) const;
  void measure_random();
  void measure_uniform();
  void refit();
  void advance(std::int64_t boundary);
  std::int64_t agreed_generation();
  std::int64_t agreed_request();
  std::vector<Measured> candidates();
  void measure(std::vector<Measured> batch, const std::string& title);
  void write_results();

  Context& c_;
  std::unique_ptr<supernet::Supernet> net_;
  eval::TrueEvaluator truth_;
  predictor::Predictor fp32_, int8_;
  eval::PredictedEvaluator predicted_;
  island::Archipelago islands_;
  comm::Agreement requests_;
  std::vector<Measured> samples_, measured_;
  std::string quality_;                     ///< predictor.json
  std::int64_t measured_at_ = 0;            ///< generation of the last measurement
  std::string batch_;                       ///< the genomes of an unfinished measurement, one a line
  std::map<std::int64_t, double> pending_;  ///< its results so far, by index
  io::Archive islands_state_;               ///< of the last boundary, for checkpoints during a measurement
};

void Search::start() {
  io::Archive inputs;
  if (c_.comm.root()) {
    const io::Archive predictor = io::Archive::load(c_.artifact("predictor.ckpt", "predictor"), "predictor");
    validate(predictor.text("space") == c_.space.describe(), ErrorKind::checkpoint,
             "predictor.ckpt belongs to another search space (its space is \"{}\") run 'apq predictor' again",
             predictor.text("space"));
    inputs.put("fp32", predictor.floats("fp32"));
    inputs.put("int8", predictor.floats("int8"));
    inputs.put("quality", without_refits(io::read_text(c_.artifact("predictor.json", "predictor"))));
    auto pairs = read_pairs_int8(c_.space, c_.artifact("pairs_int8.csv", "collect"));
    std::erase_if(pairs, [](const Measured& m) { return m.source != "sample"; });
    inputs.put("pairs", pairs_int8_csv(c_.space, c_.costs, pairs));
    samples_ = std::move(pairs);
  }
  broadcast(c_.comm, inputs);
  fp32_.load(inputs.floats("fp32"));
  int8_.load(inputs.floats("int8"));
  quality_ = inputs.text("quality");
}

io::Archive Search::state() {
  io::Archive a = islands_state_;
  a.put("predictor", int8_.weights());
  a.put("quality", quality_);
  a.put("measured_at", measured_at_);
  a.put("measured", pareto_csv(c_.space, c_.costs, c_.budgets, measured_));
  std::vector<std::int64_t> index;
  std::vector<double> accuracy;
  for (const auto& [i, v] : pending_) {
    index.push_back(i);
    accuracy.push_back(v);
  }
  a.put("pending.batch", batch_);
  a.put("pending.index", index);
  a.put("pending.accuracy", accuracy);
  return a;
}

/// Collective when the islands moved since the last call; the root writes.
void Search::save(bool islands_moved) {
  if (islands_moved) islands_state_ = islands_.save();
  if (c_.comm.root())
    c_.save(islands_.generation() * 100000 + static_cast<std::int64_t>(measured_.size() + pending_.size()),
            state());
}

void Search::resume(const io::Archive& a) {
  measured_at_ = a.integer("measured_at");
  open_range();
  islands_.load(a);
  islands_state_ = islands_.save();
  int8_.load(a.floats("predictor"));
  quality_ = a.text("quality");
  measured_ = read_measured(c_.space, a.text("measured"), "checkpoint", c_.budgets);
  batch_ = a.text("pending.batch");
  const auto index = a.integers("pending.index");
  const auto accuracy = a.doubles("pending.accuracy");
  for (std::size_t i = 0; i < index.size() && i < accuracy.size(); ++i) pending_[index[i]] = accuracy[i];
}

/// For every island and budget the most promising elites that nobody measured yet.
std::vector<Measured> Search::candidates() {
  const auto& options = c_.config.search;
  const int wanted = options.evaluated_elites;
  const int offered = options.exploration > 0 ? options.evolution.population : 4 * wanted + 4;
  std::set<space::Genome> known;
  for (const Measured& m : measured_) known.insert(m.genome);
  const auto elites = islands_.island_elites(offered);
  std::vector<Measured> batch;
  for (std::size_t b = 0; b < elites.size(); ++b)
    for (std::size_t first = 0; first < elites[b].size(); first += static_cast<std::size_t>(offered)) {
      int taken = 0;
      const std::size_t count = std::min(elites[b].size() - first, static_cast<std::size_t>(offered));
      for (const auto& individual :
           most_promising_first(std::span(elites[b]).subspan(first, count), int8_, options.exploration)) {
        if (taken == wanted) break;
        if (!known.insert(individual.genome).second) continue;
        batch.push_back({individual.genome, static_cast<int>(b), "islands", individual.score.accuracy, 0});
        ++taken;
      }
    }
  return batch;
}

void Search::measure(std::vector<Measured> batch, const std::string& title) {
  std::vector<space::Genome> genomes;
  std::string texts;
  for (const Measured& m : batch) {
    genomes.push_back(m.genome);
    texts += c_.space.to_text(m.genome) + "\n";
  }
  // The same islands choose the same networks; a program changed since the checkpoint might not.
  validate(
      pending_.empty() || batch_ == texts, ErrorKind::checkpoint,
      "the search's checkpoint does not fit (its {} measurements are of networks that this program would not "
      "measure) continue with the program that made it, or start afresh in another folder",
      pending_.size());
  batch_ = texts;
  pipeline::measure(
      c_, genomes, pending_, title,
      [&](const space::Genome& genome, const comm::Beat& beat) {
        return truth_.integer_accuracy(genome, c_.config.pairs.qat, c_.config.pairs.int8_images, beat);
      },
      [&] { save(false); });
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch[i].accuracy = pending_.at(static_cast<std::int64_t>(i));
    measured_.push_back(std::move(batch[i]));
  }
  pending_.clear();
}

/// A new predictor from all pairs so far, the same on all ranks; every population is scored again.
void Search::refit() {
  auto pairs = as_pairs(samples_);
  for (const auto& p : as_pairs(measured_)) pairs.push_back(p);
  const Timer timer;
  predictor::Predictor fresh(c_.space, true, c_.config.predictor, c_.config.seed);
  if (c_.config.predictor.transfer) fresh.transfer_from(fp32_);
  const auto quality = fit(c_.comm, c_.space, fresh, pairs);
  if (c_.comm.root()) {
    c_.note(fmt::format("search: predictor refitted on {} int8 pairs; Kendall tau {:.3f} on {} held-out ones",
                        pairs.size(), quality.kendall_tau, quality.pairs));
    c_.work["refits"] += 1;
    c_.work["refit_seconds"] += timer.seconds();
  }
  int8_ = std::move(fresh);
  quality_ = append_refit(quality_, quality);
  islands_.rescore(predicted_);
}

/// From one measurement to the next every island's limit rises: elites are asked for at limits that all
/// differ.
void Search::open_range() {
  const auto& options = c_.config.search;
  const std::int64_t interval = options.evaluation_interval;
  const std::int64_t rounds = (options.generations + interval - 1) / interval;
  const std::int64_t round = std::min(measured_at_ / interval + 1, rounds);
  islands_.open(round, rounds);
}

void Search::measure_elites() {
  std::vector<Measured> batch = candidates();
  const bool any = !batch.empty();
  if (any) measure(std::move(batch), fmt::format("measuring elites of generation {}", islands_.generation()));
  measured_at_ = islands_.generation();
  open_range();
  if (any) refit();
}

int Search::measured_from(const std::string& source) const {
  return static_cast<int>(std::ranges::count(measured_, source, &Measured::source));
}

/// As many random networks within the budgets, measured the same way.
void Search::measure_random() {
  std::vector<Measured> batch;
  for (int i = 0; i < measured_from("islands"); ++i) {
    RandomStream random(c_.config.seed, Purpose::random_search, static_cast<std::uint64_t>(i));
    const std::size_t b = static_cast<std::size_t>(i) % c_.budgets.size();
    batch.push_back({c_.space.canonical(search::random_within(c_.space, predicted_, c_.budgets[b], random)),
                     static_cast<int>(b), "random", 0, 0});
  }
  std::vector<space::Genome> genomes;
  for (const Measured& m : batch) genomes.push_back(m.genome);
  std::vector<double> accuracy(genomes.size());
  int8_.predict(genomes, accuracy);
  for (std::size_t i = 0; i < batch.size(); ++i) batch[i].predicted = accuracy[i];
  measure(std::move(batch), "measuring random networks");
}

void Search::measure_uniform() {
  io::Archive found;
  if (c_.comm.root()) {
    const Timer timer;
    const auto networks = uniform_networks(c_, predicted_, measured_from("islands"));
    found.put("networks", pareto_csv(c_.space, c_.costs, c_.budgets, networks));
    c_.work["serial_seconds"] += timer.seconds();
  }
  broadcast(c_.comm, found);
  measure(read_measured(c_.space, found.text("networks"), "message from rank 0", c_.budgets),
          "measuring networks of uniform bits");
}

/// Some generations, none beyond the boundary; asynchronous islands go on to it unless a rank was asked to
/// stop or to save. Collective at its end only.
void Search::advance(std::int64_t boundary) {
  const auto step = [&] {
    fault::point("generation");
    islands_.step(predicted_);
    requests_.poll();
    heartbeat();
  };
  if (!c_.config.search.islands.asynchronous()) {
    const std::int64_t end = std::min(boundary, islands_.generation() + island::kGenerationsPerAgreement);
    while (islands_.generation() < end) step();
    return;
  }
  const Timer timer;
  while (islands_.generation() < boundary &&
         !islands_.interrupted(stop::stop_requested() ||
                               (c_.comm.root() && timer.seconds() > c_.config.checkpoint_seconds)))
    step();
  islands_.settle();
}

/// The same on every rank. Synchronous islands are at one generation everywhere; others at least at this.
std::int64_t Search::agreed_generation() {
  if (!c_.config.search.islands.asynchronous()) return islands_.generation();
  return -c_.comm.max(-islands_.generation());
}

/// What somebody asks all ranks for, the more urgent the larger.
enum Request : std::int64_t { kNothing, kCheckpoint, kStop };

/// Asked for at the call before, so that synchronous islands need not wait for each other; asynchronous ones
/// have come together because of it. Collective.
std::int64_t Search::agreed_request() {
  Request own = kNothing;
  if (c_.comm.root() && c_.checkpoint_due_here()) own = kCheckpoint;
  if (stop::stop_requested()) own = kStop;
  const std::int64_t before = requests_.next(own);
  const bool now = c_.config.search.islands.asynchronous() || before == kStop;
  return now ? std::max(before, requests_.last()) : before;
}

void Search::run() {
  const auto& options = c_.config.search;
  start();
  if (const auto state = c_.restore()) {
    resume(*state);
  } else {
    open_range();
    islands_.initialise(predicted_);
    islands_state_ = islands_.save();
  }
  if (options.islands.asynchronous() && c_.comm.root())
    log::warn("search: islands are asynchronous; another run with the same seed will give other results");
  Progress progress("search", options.generations, c_.comm.root());
  while (agreed_generation() < options.generations || measured_at_ < agreed_generation()) {
    const std::int64_t generation = agreed_generation();
    const bool due = generation > measured_at_ &&
                     (generation % options.evaluation_interval == 0 || generation == options.generations);
    if (due) {
      islands_state_ = islands_.save();
      measure_elites();
      save(true);
      continue;
    }
    const std::int64_t next = (generation / options.evaluation_interval + 1) * options.evaluation_interval;
    advance(std::min<std::int64_t>(next, options.generations));
    progress.update(islands_.generation());
    const std::int64_t request = agreed_request();
    if (request != kNothing) save(true);
    if (request == kStop) c_.stop_early();
  }
  requests_.last();
  progress.finish();
  if (options.random_baseline && measured_from("random") == 0) measure_random();
  if (options.uniform_baseline && measured_from("uniform") == 0) measure_uniform();
  write_results();
}

void Search::write_results() {
  const auto rows = islands_.history();
  const auto fronts = islands_.fronts();
  if (!c_.comm.root()) return;
  io::CsvWriter history({"generation", "island", "budget", "best_accuracy_predicted",
                         "mean_accuracy_predicted", "best_cost", "front_networks", "hypervolume_predicted"});
  for (const auto& r : rows)
    history.row({std::to_string(r.generation), std::to_string(r.island),
                 c_.budgets[static_cast<std::size_t>(r.budget)].name, io::number(r.best_accuracy),
                 io::number(r.mean_accuracy), io::number(r.best_cost), std::to_string(r.front),
                 io::number(r.hypervolume)});
  history.save(c_.out / "history.csv");
  io::CsvWriter front(
      {"budget", "island", "generation_entered", "generation_left", "accuracy_predicted", "cost", "genome"});
  for (const auto& r : fronts) {
    const auto& budget = c_.budgets[static_cast<std::size_t>(r.budget)];
    const auto& score = r.member.individual.score;
    front.row({budget.name, std::to_string(r.island), std::to_string(r.member.entered),
               r.member.left < 0 ? "" : std::to_string(r.member.left), io::number(score.accuracy),
               io::number(score.costs[static_cast<std::size_t>(budget.metric)]),
               c_.space.to_text(r.member.individual.genome)});
  }
  front.save(c_.out / "front_history.csv");
  io::write_atomically(c_.out / "pareto.csv", pareto_csv(c_.space, c_.costs, c_.budgets, measured_));
  io::write_atomically(c_.out / "predictor.json", quality_);
  std::vector<Measured> pairs = samples_;
  std::copy_if(measured_.begin(), measured_.end(), std::back_inserter(pairs),
               [](auto& m) { return m.source == "islands" && !m.failed(); });
  if (inputs_have_this_recipe(c_, *net_)) write_recipe(c_, *net_);  // else the pairs together have none
  io::write_atomically(c_.out / "pairs_int8.csv", pairs_int8_csv(c_.space, c_.costs, pairs));
  c_.note(fmt::format("search: {} networks measured{}", measured_.size(),
                      failures(std::ranges::count_if(measured_, &Measured::failed))));
}

}  // namespace

void run_search(Context& c) { Search(c).run(); }

}  // namespace apq::pipeline
