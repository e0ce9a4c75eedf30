// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/pipeline/active_study.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "apq/core/error.hpp"
#include "apq/core/hash.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/eval/evaluators.hpp"
#include "apq/io/files.hpp"
#include "apq/nn/ops.hpp"
#include "pipeline/active_front.hpp"
#include "pipeline/artifacts.hpp"
#include "pipeline/context.hpp"
#include "pipeline/costs.hpp"
#include "pipeline/measure.hpp"
#include "pipeline/pairs_file.hpp"
#include "pipeline/transfer_data.hpp"

namespace apq::pipeline {

namespace {

constexpr const char *kFront = "front.csv", *kLabels = "labels.csv", *kSetting = "setting.txt";

/// Without what the study replaces by its own; everything is kept at once, for each counts minutes.
config::Config study_config(config::Config config) {
  config.search.random_baseline = config.search.uniform_baseline = false;
  config.checkpoint_seconds = 0;
  return config;
}

void create(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  validate(!error, ErrorKind::io, "cannot create {} ({}) choose another --out", folder.string(),
           error.message());
}

class ActiveStudy {
 public:
  ActiveStudy(comm::Communicator& comm, const config::Config& config, const ActiveOptions& options)
      : comm_(comm),
        options_(options),
        config_(study_config(config)),
        context_(comm, config_, options.out, options.from),
        net_(load_supernet(context_)),
        truth_(*net_, *context_.data) {}

  std::string run() {
    read_pairs();
    claim();
    read_labels();
    for (int s = 0; s < options_.seeds; ++s) {
      study_seed(config_.seed + static_cast<std::uint64_t>(s));
      if (comm_.root()) write();
    }
    return fmt::format(
        "{} float pairs, {} random int8 pairs at the start of {}; {} seeds from {} on; each front read at {} "
        "limits per budget, each network measured {}; hypervolume above {:.2f} %",
        fp32_.size(), options_.start, pool_.size(), options_.seeds, config_.seed, options_.limits,
        options_.repeats == 1 ? "once" : fmt::format("{} times", options_.repeats), 100 * reference_);
  }

 private:
  struct Arm {
    std::uint64_t seed = 0;
    std::string name;
    std::size_t pairs = 0;   ///< its predictor learned from in the end
    std::size_t bought = 0;  ///< of them by the search itself
    std::vector<Chosen> front;
  };

  fs::path pool_folder() const { return options_.pairs.empty() ? options_.from : options_.pairs; }

  void read_pairs() {
    const fs::path int8 = pool_folder() / "pairs_int8.csv";
    std::vector<predictor::Pair> fp32_pairs, pool;
    if (comm_.root()) {
      validate(fs::exists(int8), ErrorKind::data,
               "{} is missing (--pairs or --from is to name a folder with pairs) run 'apq collect' first",
               int8.string());
      require_this_recipe(pool_folder(), context_, *net_, "study");
      fp32_pairs = read_pairs_fp32(context_.space, context_.artifact("pairs_fp32.csv", "collect"));
      auto measured = read_pairs_int8(context_.space, int8);
      std::erase_if(measured, [](const Measured& m) { return m.source != "sample"; });
      pool = as_pairs(measured);
    }
    fp32_ = pairs_of_root(comm_, context_.space, fp32_pairs);
    pool_ = pairs_of_root(comm_, context_.space, pool);
    require_pool(static_cast<std::size_t>(options_.start), "--start");
    reference_ = options_.reference >= 0
                     ? options_.reference
                     : std::ranges::min_element(pool_, {}, &predictor::Pair::accuracy)->accuracy;
  }

  void require_pool(std::size_t pairs, const std::string& what) const {
    validate(pairs <= pool_.size(), ErrorKind::data,
             "{} needs {} random int8 pairs ({} has {}) collect more, or let the search buy fewer labels",
             what, pairs, pool_folder().string(), pool_.size());
  }

  /// What the searches and labels in the folder depend on must not change while it grows.
  void claim() {
    const std::string pairs = pairs_text_of(fp32_) + pairs_text_of(pool_);
    const std::string setting = fmt::format("{}start={}\nlimits={}\npairs={}\n", context_.fingerprint,
                                            options_.start, options_.limits, hex(hash_text(pairs)));
    if (!comm_.root()) return;
    create(options_.out);
    lock_ = std::make_unique<io::FolderLock>(options_.out);
    const fs::path file = options_.out / kSetting;
    if (fs::exists(file)) {
      const std::string before = io::read_text(file);
      validate(before == setting, ErrorKind::usage,
               "{} holds another study (differing: {}) choose another --out or the same options",
               options_.out.string(), differing_lines(before, setting));
    }
    io::write_atomically(file, setting);
    save_costs(config_, context_.space, context_.costs, options_.out);
    io::write_manifest(options_.out, make_manifest(comm_, config_));
  }

  std::string pairs_text_of(const std::vector<predictor::Pair>& pairs) const {
    return pairs_fp32_csv(context_.space, pairs);
  }

  void study_seed(std::uint64_t seed) {
    const auto start = static_cast<std::size_t>(options_.start);
    const std::size_t first = arms_.size();
    const auto sample = [&](std::size_t count) { return subset(context_.space, pool_, count, seed); };
    const double exploration = config_.search.exploration;
    arms_.push_back(search(seed, "active", sample(start), true, exploration));
    if (exploration > 0) arms_.push_back(search(seed, "good", sample(start), true));
    const std::size_t total = arms_[first].pairs;
    require_pool(total, "the arm random");
    arms_.push_back(search(seed, "chosen", pairs_at_the_end(seed, "active"), false));
    arms_.push_back(search(seed, "random", sample(total), false));
    arms_.push_back(search(seed, "start", sample(start), false));
    measure_fronts(first);
  }

  fs::path folder_of(std::uint64_t seed, const std::string& arm) const {
    return options_.out / fmt::format("seed-{}", seed) / arm;
  }

  /// All pairs that the arm's search ended with.
  std::vector<predictor::Pair> pairs_at_the_end(std::uint64_t seed, const std::string& arm) const {
    std::vector<predictor::Pair> pairs;
    if (comm_.root())
      pairs = as_pairs(read_pairs_int8(context_.space, folder_of(seed, arm) / "pairs_int8.csv"));
    return pairs_of_root(comm_, context_.space, pairs);
  }

  /// The stages predictor and search in a folder of their own, unless it holds their results already.
  Arm search(std::uint64_t seed, const std::string& name, const std::vector<predictor::Pair>& pairs,
             bool buys, double exploration = 0) {
    const fs::path folder = folder_of(seed, name);
    config::Config config = config_;
    config.seed = seed;
    config.search.exploration = exploration;
    if (!buys) config.search.evaluated_elites = 0;
    Context c(context_, config, folder);
    if (!on_all_ranks(folder / kFront)) {
      if (comm_.root()) log::info("seed {}, {}: {} int8 pairs", seed, name, pairs.size());
      if (!on_all_ranks(folder / "predictor.ckpt")) {
        if (comm_.root()) write_inputs(c, pairs);
        c.begin("predictor");
        run_predictor(c);
      }
      c.begin("search");
      run_search(c);
      if (comm_.root()) {
        write_front(c);
        c.checkpoints().remove_all();
      }
    }
    Arm arm{seed, name, pairs_at_the_end(seed, name).size(), 0, read_front(folder)};
    arm.bought = arm.pairs - pairs.size();
    return arm;
  }

  bool on_all_ranks(const fs::path& file) const {
    return comm_.max(comm_.root() && fs::exists(file) ? 1 : 0) != 0;
  }

  void write_inputs(const Context& c, const std::vector<predictor::Pair>& pairs) const {
    create(c.out / "checkpoints");
    std::vector<Measured> samples;
    for (const predictor::Pair& pair : pairs) samples.push_back({pair.genome, 0, "sample", 0, pair.accuracy});
    io::write_atomically(c.out / "pairs_fp32.csv", pairs_fp32_csv(c.space, fp32_));
    io::write_atomically(c.out / "pairs_int8.csv", pairs_int8_csv(c.space, c.costs, samples));
  }

  /// The last file of an arm: with it the arm is done.
  void write_front(const Context& c) const {
    const fs::path history = c.out / "front_history.csv";
    const auto front = choose_front(io::parse_csv(io::read_text(history), history.string()), history.string(),
                                    c.space, c.budgets, options_.limits);
    io::CsvWriter csv({"budget", "limit", "accuracy_predicted", "genome"});
    for (const Chosen& n : front)
      csv.row({c.budgets[n.budget].name, io::number(n.limit), io::number(n.predicted),
               c.space.to_text(n.genome)});
    csv.save(c.out / kFront);
  }

  /// The root's file on every rank, as text. Collective.
  std::string shared_text(const fs::path& file) const {
    io::Archive a;
    if (comm_.root()) a.put("text", fs::exists(file) ? io::read_text(file) : std::string{});
    broadcast(comm_, a);
    return a.text("text");
  }

  std::vector<Chosen> read_front(const fs::path& folder) const {
    const std::string file = (folder / kFront).string();
    const auto table = io::parse_csv(shared_text(file), file);
    const auto budget = table.column("budget"), limit = table.column("limit"),
               predicted = table.column("accuracy_predicted"), genome = table.column("genome");
    std::vector<Chosen> front;
    for (std::size_t r = 0; r < table.rows.size(); ++r) {
      const auto& row = table.rows[r];
      const auto found = std::ranges::find(context_.budgets, row[budget], &search::Budget::name);
      validate(found != context_.budgets.end(), ErrorKind::data,
               "{} line {}: budget {} is not in this configuration", file, r + 2, row[budget]);
      front.push_back({static_cast<std::size_t>(found - context_.budgets.begin()),
                       to_number(row[limit], file, r), to_number(row[predicted], file, r), 0,
                       context_.space.from_text(row[genome])});
    }
    return front;
  }

  using Label = std::pair<std::string, int>;  ///< genome, order of the images

  void read_labels() {
    const std::string text = shared_text(options_.out / kLabels);
    if (text.empty()) return;
    const auto table = io::parse_csv(text, kLabels);
    const auto genome = table.column("genome"), order = table.column("data_order"),
               accuracy = table.column("accuracy_validation");
    for (std::size_t r = 0; r < table.rows.size(); ++r) {
      const auto& row = table.rows[r];
      labels_[{row[genome], static_cast<int>(to_number(row[order], kLabels, r))}] =
          to_number(row[accuracy], kLabels, r);
    }
  }

  void write_labels() const {
    io::CsvWriter csv({"accuracy_validation", "data_order", "genome"});
    for (const auto& [label, accuracy] : labels_)
      csv.row({io::number(accuracy), std::to_string(label.second), label.first});
    csv.save(options_.out / kLabels);
  }

  /// Arms from the given one on. A network that several chose, or that was measured before, costs nothing.
  void measure_fronts(std::size_t first) {
    for (int order = 1; order <= options_.repeats; ++order) measure_missing(first, order);
    for (std::size_t a = first; a < arms_.size(); ++a)
      for (Chosen& n : arms_[a].front) {
        n.measured = 0;
        for (int order = 1; order <= options_.repeats; ++order)
          n.measured += labels_.at({context_.space.to_text(n.genome), order}) / options_.repeats;
      }
  }

  /// Order 0 is that of the pairs.
  void measure_missing(std::size_t first, int order) {
    std::vector<space::Genome> genomes;
    std::vector<Label> wanted;
    for (std::size_t a = first; a < arms_.size(); ++a)
      for (const Chosen& n : arms_[a].front) {
        const Label label{context_.space.to_text(n.genome), order};
        if (labels_.contains(label) || std::ranges::find(wanted, label) != wanted.end()) continue;
        genomes.push_back(n.genome);
        wanted.push_back(label);
      }
    supernet::QatOptions qat = config_.pairs.qat;
    qat.data_order = static_cast<std::uint64_t>(order);
    std::map<std::int64_t, double> results;
    const auto keep = [&] {
      for (const auto& [i, accuracy] : results) labels_[wanted[static_cast<std::size_t>(i)]] = accuracy;
      if (comm_.root()) write_labels();
    };
    context_.begin("active");
    measure(
        context_, genomes, results, fmt::format("fronts of seed {}", arms_[first].seed),
        [&](const space::Genome& genome, const comm::Beat& beat) {
          return truth_.integer_accuracy(genome, qat, config_.pairs.int8_images, beat);
        },
        keep);
    keep();
  }

  void write() const {
    std::vector<std::string> header{"seed",          "arm",         "start",        "pairs",
                                    "labels_bought", "hypervolume", "mean_accuracy"};
    for (const search::Budget& b : context_.budgets) header.push_back("accuracy " + b.name);
    for (const char* name : {"mean_absolute_error", "mean_error", "pairwise_accuracy"})
      header.emplace_back(name);
    io::CsvWriter table(header), networks({"seed", "arm", "start", "budget", "limit", "cost",
                                           "accuracy_predicted", "accuracy_validation", "genome"});
    for (const Arm& arm : arms_) {
      const std::vector<std::string> name{std::to_string(arm.seed), arm.name, std::to_string(options_.start)};
      const FrontFigures f = figures_of(arm.front, context_.costs, context_.budgets, reference_);
      std::vector<std::string> row = name;
      for (const std::size_t n : {arm.pairs, arm.bought}) row.push_back(std::to_string(n));
      std::vector<double> values{f.hypervolume, f.mean_accuracy};
      values.insert(values.end(), f.best_accuracy.begin(), f.best_accuracy.end());
      values.insert(values.end(), {f.mean_absolute_error, f.mean_error, f.pairwise_accuracy});
      for (const double v : values) row.push_back(io::number(v));
      table.row(row);
      for (const Chosen& n : arm.front) {
        const search::Budget& budget = context_.budgets[n.budget];
        row = name;
        row.push_back(budget.name);
        for (const double v : {n.limit, context_.costs.cost(n.genome, static_cast<hw::Metric>(budget.metric)),
                               n.predicted, n.measured})
          row.push_back(io::number(v));
        row.push_back(context_.space.to_text(n.genome));
        networks.row(row);
      }
    }
    table.save(options_.out / "active_learning.csv");
    networks.save(options_.out / "active_front.csv");
  }

  comm::Communicator& comm_;
  const ActiveOptions& options_;
  config::Config config_;
  Context context_;
  std::unique_ptr<supernet::Supernet> net_;
  eval::TrueEvaluator truth_;
  std::unique_ptr<io::FolderLock> lock_;
  std::vector<predictor::Pair> fp32_, pool_;
  double reference_ = 0;
  std::vector<Arm> arms_;
  std::map<Label, double> labels_;  ///< the same on all ranks
};

}  // namespace

std::string study_active(comm::Communicator& comm, const config::Config& config,
                         const ActiveOptions& options) {
  nn::set_threads(config.threads);
  check_alike(comm, config);
  try {
    return ActiveStudy(comm, config, options).run();
  } catch (const StoppedEarly&) {  // its stages know of --resume only
    throw StoppedEarly(
        fmt::format("the study was stopped ({}), what it measured is kept; run the same command to continue",
                    stop::reason()));
  }
}

}  // namespace apq::pipeline
