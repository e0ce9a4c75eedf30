// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/pipeline/transfer_study.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "apq/comm/distribute.hpp"
#include "apq/core/error.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/core/progress.hpp"
#include "apq/io/files.hpp"
#include "apq/nn/ops.hpp"
#include "apq/predictor/reference.hpp"
#include "pipeline/artifacts.hpp"
#include "pipeline/context.hpp"
#include "pipeline/transfer_data.hpp"

namespace apq::pipeline {

namespace {

constexpr std::size_t kFewestPairs = 10;  ///< to test on
constexpr const char *kAblation = "transfer_ablation.csv", *kVariants = "transfer_variants.csv",
                     *kReferences = "reference_predictors.csv";

/// One way to make an int8 predictor.
struct Method {
  std::string name;
  std::string file;
  predictor::PredictorOptions options = {};
  predictor::Reference reference = nullptr;  ///< null: a perceptron
};

std::vector<Method> methods_of(const config::Config& config, const std::vector<TransferVariant>& variants) {
  std::vector<Method> methods{{"transfer", kAblation, config.predictor},
                              {"scratch", kAblation, config.predictor}};
  methods[0].options.transfer = true;
  methods[1].options.transfer = false;
  for (const TransferVariant& variant : variants)
    methods.push_back({variant.name, kVariants, variant.options});
  for (const auto& [name, predict] : predictor::references())
    methods.push_back({name, kReferences, {}, predict});
  return methods;
}

/// The options that a float predictor depends on: those of transferring are left at their defaults.
predictor::PredictorOptions float_options(predictor::PredictorOptions options) {
  const predictor::PredictorOptions defaults;
  options.trunk_rate = defaults.trunk_rate;
  options.frozen_epochs = defaults.frozen_epochs;
  options.bits_after_relu = defaults.bits_after_relu;
  return options;
}

class TransferStudy {
 public:
  TransferStudy(comm::Communicator& comm, const config::Config& config, std::vector<Method> methods,
                const TransferOptions& options)
      : comm_(comm), config_(config), options_(options), methods_(std::move(methods)), space_(config.space) {}

  std::string run() {
    read();
    choose_sizes();
    train_float_predictors();
    train_and_test();
    if (comm_.root()) write();
    return fmt::format("{} float pairs; of {} int8 pairs {} to train on, {} to test on; {} seeds from {} on",
                       fp32_.size(), int8_.pool.size() + int8_.test.size(), int8_.pool.size(),
                       int8_.test.size(), options_.seeds, config_.seed);
  }

 private:
  struct Item {
    std::size_t method = 0;
    int seed = 0;  ///< index
    int pairs = 0;
  };
  struct Figures {
    double rmse = 0, kendall_tau = 0, pairwise_accuracy = 0;
  };

  std::uint64_t seed(int index) const { return config_.seed + static_cast<std::uint64_t>(index); }

  void read() {
    std::vector<predictor::Pair> fp32, int8;
    if (comm_.root()) {
      for (const char* name : {"pairs_fp32.csv", "pairs_int8.csv"})
        validate(fs::exists(options_.from / name), ErrorKind::data,
                 "{} is missing in {} (--from is to name a run with pairs) run 'apq collect' first", name,
                 options_.from.string());
      fp32 = read_pairs_fp32(space_, options_.from / "pairs_fp32.csv");
      auto measured = read_pairs_int8(space_, options_.from / "pairs_int8.csv");
      std::erase_if(measured, [](const Measured& m) { return m.source != "sample"; });
      int8 = as_pairs(measured);
    }
    fp32_ = pairs_of_root(comm_, space_, fp32);
    int8_ = split_off_test(space_, pairs_of_root(comm_, space_, int8), options_.test, config_.seed);
    validate(
        int8_.test.size() >= kFewestPairs, ErrorKind::data,
        "{} has too few int8 pairs (of {} sampled ones {} are to test on, at least {} are needed) collect "
        "more, or hold out a larger share with --test",
        options_.from.string(), int8_.test.size() + int8_.pool.size(), int8_.test.size(), kFewestPairs);
  }

  void choose_sizes() {
    std::vector<int> left_out;
    for (const int size : std::set<int>(options_.pairs.begin(), options_.pairs.end()))
      (static_cast<std::size_t>(size) <= int8_.pool.size() ? sizes_ : left_out).push_back(size);
    validate(!sizes_.empty(), ErrorKind::data,
             "none of --pairs {} can be trained on (there are {} int8 pairs beside the {} to test on) choose "
             "smaller numbers or collect more",
             fmt::join(left_out, ","), int8_.pool.size(), int8_.test.size());
    if (comm_.root() && !left_out.empty())
      log::warn("left out: {} int8 pairs (there are {} to train on beside the {} to test on)",
                fmt::join(left_out, ", "), int8_.pool.size(), int8_.test.size());
  }

  /// Work on whatever rank is idle next, the longest first; on a stop nothing is kept.
  template <class Compute>
  void distribute(std::size_t count, const std::string& title, Compute compute) {
    std::vector<std::int64_t> items(count);
    for (std::size_t i = 0; i < count; ++i) items[i] = static_cast<std::int64_t>(count - 1 - i);
    Progress progress(title, static_cast<std::int64_t>(count), comm_.root());
    std::int64_t done = 0;
    comm::distribute(
        comm_, items,
        [&](std::int64_t item, const comm::Beat&) {
          compute(static_cast<std::size_t>(item));
          return 0.0;
        },
        [&](std::int64_t, double) { progress.update(++done); }, stop::stop_requested);
    validate(comm_.max(stop::stop_requested() ? 1 : 0) == 0, ErrorKind::environment,
             "the study was stopped ({}) nothing is kept, run it again", stop::reason());
    progress.finish();
  }

  /// The first method whose float predictors are those that this one starts from.
  std::size_t float_method(std::size_t method) const {
    const auto wanted = float_options(methods_[method].options);
    return static_cast<std::size_t>(
        std::ranges::find_if(methods_, [&](const Method& m) { return float_options(m.options) == wanted; }) -
        methods_.begin());
  }

  /// By method and seed.
  void train_float_predictors() {
    std::vector<std::pair<std::size_t, int>> wanted;
    for (std::size_t m = 0; m < methods_.size(); ++m)
      for (int s = 0; s < options_.seeds; ++s)
        if (!methods_[m].reference && methods_[m].options.transfer && float_method(m) == m)
          wanted.emplace_back(m, s);
    io::Archive mine;
    distribute(wanted.size(), "float predictors", [&](std::size_t i) {
      const auto [m, s] = wanted[i];
      predictor::Predictor fp32(space_, false, methods_[m].options, seed(s));
      fp32.fit(fp32_);
      mine.put(std::to_string(i), fp32.weights());
    });
    for (const comm::Bytes& bytes : comm_.all_gather(mine.to_frame("message"))) {
      const auto theirs = io::Archive::from_frame(bytes, "message", "message");
      for (std::size_t i = 0; i < wanted.size(); ++i)
        if (const auto key = std::to_string(i); theirs.has(key))
          float_weights_[wanted[i]] = theirs.floats(key);
    }
  }

  void train_and_test() {
    for (const int size : sizes_)
      for (std::size_t m = 0; m < methods_.size(); ++m)
        for (int s = 0; s < options_.seeds; ++s) items_.push_back({m, s, size});
    constexpr std::size_t kFigures = 3;
    std::vector<double> figures(kFigures * items_.size());  // of the items of this rank, 0 elsewhere
    distribute(items_.size(), "predictors", [&](std::size_t i) {
      const predictor::Quality q = test(items_[i]);
      figures[kFigures * i] = q.rmse;
      figures[kFigures * i + 1] = q.kendall_tau;
      figures[kFigures * i + 2] = q.pairwise_accuracy;
    });
    comm_.sum(std::span<double>(figures));
    for (std::size_t i = 0; i < items_.size(); ++i)
      figures_.push_back({figures[kFigures * i], figures[kFigures * i + 1], figures[kFigures * i + 2]});
  }

  predictor::Quality test(const Item& item) const {
    const Method& method = methods_[item.method];
    const auto pairs = subset(space_, int8_.pool, static_cast<std::size_t>(item.pairs), seed(item.seed));
    std::vector<space::Genome> genomes;
    std::vector<double> measured;
    for (const predictor::Pair& pair : int8_.test) {
      genomes.push_back(pair.genome);
      measured.push_back(pair.accuracy);
    }
    if (method.reference)
      return predictor::quality(method.reference(space_, pairs, genomes, seed(item.seed)), measured);
    predictor::Predictor int8(space_, true, method.options, seed(item.seed));
    if (method.options.transfer) {
      predictor::Predictor fp32(space_, false, method.options, seed(item.seed));
      fp32.load(float_weights_.at({float_method(item.method), item.seed}));
      int8.transfer_from(fp32);
    }
    int8.fit(pairs);
    std::vector<double> predicted(genomes.size());
    int8.predict(genomes, predicted);
    return predictor::quality(predicted, measured);
  }

  void write() const {
    std::error_code error;
    fs::create_directories(options_.out, error);
    validate(!error, ErrorKind::io, "cannot create {} ({}) choose another --out", options_.out.string(),
             error.message());
    std::map<std::string, io::CsvWriter> files;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const Method& method = methods_[items_[i].method];
      const auto file =
          files
              .try_emplace(method.file, std::vector<std::string>{"pairs", "init", "seed", "rmse",
                                                                 "kendall_tau", "pairwise_accuracy"})
              .first;
      file->second.row({std::to_string(items_[i].pairs), method.name, std::to_string(seed(items_[i].seed)),
                        io::number(figures_[i].rmse), io::number(figures_[i].kendall_tau),
                        io::number(figures_[i].pairwise_accuracy)});
    }
    for (const char* name : {kAblation, kVariants, kReferences}) {
      if (const auto file = files.find(name); file != files.end())
        file->second.save(options_.out / name);
      else
        fs::remove(options_.out / name, error);  // of an earlier study
    }
    io::write_manifest(options_.out, make_manifest(comm_, config_));
  }

  comm::Communicator& comm_;
  const config::Config& config_;
  const TransferOptions& options_;
  std::vector<Method> methods_;
  space::SearchSpace space_;
  std::vector<predictor::Pair> fp32_;
  TestSplit int8_;
  std::vector<int> sizes_;
  std::map<std::pair<std::size_t, int>, std::vector<float>> float_weights_;  ///< by float_method and seed
  std::vector<Item> items_;  ///< by number of pairs, method, seed
  std::vector<Figures> figures_;
};

}  // namespace

std::string study_transfer(comm::Communicator& comm, const config::Config& config,
                           const std::vector<TransferVariant>& variants, const TransferOptions& options) {
  nn::set_threads(config.threads);
  check_alike(comm, config);
  return TransferStudy(comm, config, methods_of(config, variants), options).run();
}

}  // namespace apq::pipeline
