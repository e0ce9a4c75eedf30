// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/pipeline/label_study.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <span>

#include "apq/comm/distribute.hpp"
#include "apq/core/error.hpp"
#include "apq/core/fault.hpp"
#include "apq/core/hash.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/core/progress.hpp"
#include "apq/eval/evaluators.hpp"
#include "apq/io/files.hpp"
#include "apq/nn/ops.hpp"
#include "pipeline/context.hpp"
#include "pipeline/label_networks.hpp"
#include "pipeline/measure.hpp"

namespace apq::pipeline {

namespace {

constexpr const char *kLabels = "labels.csv", *kStudy = "study.txt";
constexpr int kSecondsTag = 910;

/// One way to label a network.
struct Recipe {
  bool int8 = false;
  std::string name;
  supernet::QatOptions qat = {};  ///< int8
  int recalibration = 0;          ///< fp32: training images
  std::int64_t images = 0;        ///< validation images
  int repeats = 1;
  /// Images through a network, one that is trained on counted three times.
  std::int64_t work() const { return images + (int8 ? 3 * qat.steps * qat.batch : recalibration); }
};

/// Resolves "0 or too many: all"; ascending, each once.
template <class T>
std::vector<T> counts(std::vector<T> wanted, std::int64_t all) {
  for (T& n : wanted) n = static_cast<T>(n <= 0 ? all : std::min<std::int64_t>(n, all));
  const std::set<T> once(wanted.begin(), wanted.end());
  return {once.begin(), once.end()};
}

std::int64_t steps_of(double epochs, int batch, const data::Dataset& data) {
  return std::max<std::int64_t>(1, std::llround(epochs * static_cast<double>(data.train_count()) / batch));
}

/// Cheap ones first.
std::vector<Recipe> recipes_of(const config::Config& config, const LabelOptions& options,
                               const data::Dataset& data) {
  const auto& pairs = config.pairs;
  const auto all = data.validation_count();
  std::vector<Recipe> recipes;
  for (const int recalibration : counts(options.recalibration, data.train_count()))
    for (const std::int64_t images : counts(options.validation, all))
      recipes.push_back({.int8 = false,
                         .name = fmt::format("recalibrate {} validate {}", recalibration, images),
                         .recalibration = recalibration,
                         .images = images});
  const auto add = [&](std::string name, supernet::QatOptions qat, std::int64_t steps, std::int64_t images,
                       int repeats) {
    qat.steps = steps;
    images = images <= 0 ? all : std::min(images, all);
    recipes.push_back({true, std::move(name), qat, 0, images, repeats});
  };
  for (const std::int64_t steps : std::set(options.steps.begin(), options.steps.end()))
    add(fmt::format("{} steps", steps), pairs.qat, steps, pairs.int8_images, steps > 0 ? options.repeats : 1);
  for (const double epochs : std::set(options.epochs.begin(), options.epochs.end()))
    add(fmt::format("{:g} epochs", epochs), pairs.qat, steps_of(epochs, pairs.qat.batch, data),
        pairs.int8_images, 1);
  const double epochs = options.reference_epochs > 0 ? options.reference_epochs : config.finetune.epochs;
  add(fmt::format("fine-tuning {:g} epochs", epochs), config.finetune.qat,
      steps_of(epochs, config.finetune.qat.batch, data), 0, 1);
  return recipes;
}

/// Of this process, all threads together: what else the machine does is not counted.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// CPU seconds that items took, which ranks tell the root before it learns the items' results.
class Seconds {
 public:
  explicit Seconds(comm::Communicator& comm) : comm_(comm) {}
  void tell(std::int64_t item, double seconds) {
    const Message message{item, seconds};
    if (comm_.root())
      known_[item] = seconds;
    else
      comm_.send(std::as_bytes(std::span(&message, 1)), 0, kSecondsTag);
  }
  double of(std::int64_t item) {
    while (!known_.contains(item)) {
      Message message;
      const comm::Bytes bytes = comm_.receive_any(kSecondsTag).bytes;
      APQ_ASSERT(bytes.size() == sizeof(message));
      std::memcpy(&message, bytes.data(), sizeof(message));
      known_[message.item] = message.seconds;
    }
    return known_.at(item);
  }

 private:
  struct Message {
    std::int64_t item = 0;
    double seconds = 0;
  };
  comm::Communicator& comm_;
  std::map<std::int64_t, double> known_;
};

class LabelStudy {
 public:
  LabelStudy(comm::Communicator& comm, const config::Config& config, const LabelOptions& options)
      : comm_(comm),
        options_(options),
        context_(comm, config, options.out, options.from),
        net_(load_supernet(context_)),
        evaluator_(*net_, *context_.data),
        networks_(label_networks(context_, options.networks)),
        recipes_(recipes_of(config, options, *context_.data)) {
    for (std::size_t r = 0; r < recipes_.size(); ++r)
      for (int seed = 0; seed < recipes_[r].repeats; ++seed)
        for (std::size_t n = 0; n < networks_.size(); ++n) items_.push_back({r, n, seed});
  }

  std::string run() {
    if (comm_.root()) begin();
    label(missing());
    return fmt::format("{} networks, {} labels by {} recipes", networks_.size(), items_.size(),
                       recipes_.size());
  }

 private:
  struct Item {
    std::size_t recipe = 0, network = 0;
    int seed = 0;  ///< the order of the training images
  };
  using Row = std::vector<std::string>;

  static Row header() {
    return {"network", "kind",     "recipe",   "seed",        "steps", "recalibration_images",
            "images",  "bitops_g", "accuracy", "cpu_seconds", "genome"};
  }
  /// The first columns say which label it is.
  static Row key(const Row& row) { return {row.begin(), row.begin() + 4}; }
  Row key(const Item& item) const {
    const Recipe& recipe = recipes_[item.recipe];
    return {std::to_string(item.network), recipe.int8 ? "int8" : "fp32", recipe.name,
            std::to_string(item.seed)};
  }

  /// Root: a new folder, or one with labels of the same study.
  void begin() {
    std::error_code error;
    fs::create_directories(options_.out, error);
    validate(!error, ErrorKind::io, "cannot create {} ({}) choose another --out", options_.out.string(),
             error.message());
    lock_.emplace(options_.out);
    const std::string study = fmt::format("{}supernet.hash={}\nnetworks={}\n", context_.fingerprint,
                                          hex(hash_bytes(std::as_bytes(net_->values()))), networks_.size());
    if (fs::exists(options_.out / kStudy)) {
      const std::string before = io::read_text(options_.out / kStudy);
      validate(before == study, ErrorKind::usage,
               "{} holds a study of something else (differing: {}) choose another --out or the same "
               "configuration, supernet and --networks",
               options_.out.string(), differing_lines(before, study));
      if (fs::exists(options_.out / kLabels)) read();
    } else {
      io::write_atomically(options_.out / kStudy, study);
    }
    io::write_manifest(options_.out, make_manifest(comm_, context_.config));
  }

  void read() {
    const auto file = options_.out / kLabels;
    const auto table = io::parse_csv(io::read_text(file), file.string());
    validate(table.header == header(), ErrorKind::data, "{} has other columns than those of this program",
             file.string());
    for (const Row& row : table.rows) rows_[key(row)] = row;
    log::info("continuing with {} labels of {}", rows_.size(), file.string());
  }

  /// Root: in the order of the items, then those of recipes that are not asked for now.
  void save() const {
    auto others = rows_;
    io::CsvWriter csv(header());
    for (const Item& item : items_)
      if (const auto found = others.find(key(item)); found != others.end()) {
        csv.row(found->second);
        others.erase(found);
      }
    for (const auto& [_, row] : others) csv.row(row);
    csv.save(options_.out / kLabels);
  }

  /// Items without a label, on every rank. Collective.
  std::vector<std::int64_t> missing() {
    io::Archive archive;
    if (comm_.root()) {
      std::vector<std::int64_t> list;
      for (std::size_t i = 0; i < items_.size(); ++i)
        if (!rows_.contains(key(items_[i]))) list.push_back(static_cast<std::int64_t>(i));
      archive.put("missing", list);
    }
    broadcast(comm_, archive);
    return archive.integers("missing");
  }

  void label(const std::vector<std::int64_t>& missing) {
    const auto work = [&](std::int64_t item) {
      return recipes_[items_[static_cast<std::size_t>(item)].recipe].work();
    };
    Progress progress(
        "labels, in images",
        std::transform_reduce(missing.begin(), missing.end(), std::int64_t{0}, std::plus{}, work),
        comm_.root());
    std::int64_t done = 0;
    Seconds seconds(comm_);
    comm::distribute(
        comm_, missing,
        [&](std::int64_t i, const comm::Beat& beat) {
          const double begin = cpu_seconds();
          const double accuracy = measure(items_[static_cast<std::size_t>(i)], beat);
          seconds.tell(i, cpu_seconds() - begin);
          return accuracy;
        },
        [&](std::int64_t i, double accuracy) {
          if (!comm_.root()) return;
          keep(items_[static_cast<std::size_t>(i)], accuracy, seconds.of(i));
          progress.update(done += work(i));
        },
        stop::stop_requested);
    if (context_.stop_agreed())
      throw StoppedEarly(fmt::format(
          "the study was stopped ({}), labels saved; run the same command to continue", stop::reason()));
    progress.finish();
  }

  /// NaN for a network that cannot be trained.
  double measure(const Item& item, const comm::Beat& beat) {
    fault::point("evaluation");
    const Recipe& recipe = recipes_[item.recipe];
    const space::Genome& genome = networks_[item.network];
    if (!recipe.int8) {
      auto recalibration = context_.config.pairs.recalibration;
      recalibration.images = recipe.recalibration;
      return evaluator_.float_accuracy(genome, recalibration, recipe.images);
    }
    auto qat = recipe.qat;
    qat.data_order = static_cast<std::uint64_t>(item.seed);
    try {
      return evaluator_.integer_accuracy(genome, qat, recipe.images, beat);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::numeric) throw;
      log::warn("failed: {}, {}: {}", context_.space.to_text(genome), recipe.name, error.what());
      return std::numeric_limits<double>::quiet_NaN();
    }
  }

  void keep(const Item& item, double accuracy, double seconds) {
    const Recipe& recipe = recipes_[item.recipe];
    const space::Genome& genome = networks_[item.network];
    Row row = key(item);
    const Row figures{std::to_string(recipe.int8 ? recipe.qat.steps : 0),
                      std::to_string(recipe.int8 ? recipe.qat.batch_statistics_images : recipe.recalibration),
                      std::to_string(recipe.images),
                      io::number(context_.costs.cost(genome, hw::Metric::bitops_g)),
                      io::number(accuracy),
                      fmt::format("{:.3f}", seconds),
                      context_.space.to_text(genome)};
    row.insert(row.end(), figures.begin(), figures.end());
    rows_[key(item)] = std::move(row);
    save();
  }

  comm::Communicator& comm_;
  const LabelOptions& options_;
  Context context_;
  std::unique_ptr<supernet::Supernet> net_;
  eval::TrueEvaluator evaluator_;
  std::vector<space::Genome> networks_;
  std::vector<Recipe> recipes_;
  std::vector<Item> items_;  ///< by recipe, seed, network
  std::map<Row, Row> rows_;  ///< of labels.csv by their keys, on the root
  std::optional<io::FolderLock> lock_;
};

}  // namespace

std::string study_labels(comm::Communicator& comm, const config::Config& config,
                         const LabelOptions& options) {
  nn::set_threads(config.threads);
  check_alike(comm, config);
  return LabelStudy(comm, config, options).run();
}

}  // namespace apq::pipeline
