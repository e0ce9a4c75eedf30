// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "config/checks.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>

#include "apq/core/error.hpp"
#include "apq/io/files.hpp"

namespace apq::config {
namespace {

/// Reports broken rules at the first of their keys that somebody wrote.
class Rules {
 public:
  Rules(const Reader& reader, const Place& file, Problems& problems)
      : reader_(&reader), file_(file), problems_(&problems) {}

  void require(bool ok, const std::vector<std::string>& keys, const std::string& text) {
    if (ok ||
        std::any_of(keys.begin(), keys.end(), [&](const auto& k) { return reader_->any_failed_under(k); }))
      return;
    problems_->add(place(keys), text);
  }

  /// The same for what another room checks by throwing Error.
  void require(const std::function<void()>& action, const std::vector<std::string>& keys,
               const std::string& what) {
    try {
      action();
    } catch (const Error& e) {
      require(false, keys, what + e.what());
    }
  }

 private:
  Place place(const std::vector<std::string>& keys) const {
    for (const auto& key : keys)
      if (const auto found = reader_->places().find(key); found != reader_->places().end())
        return found->second;
    return file_;
  }

  const Reader* reader_;
  Place file_;
  Problems* problems_;
};

void check_cifar(const Config& c, Rules& rules) {
  const bool cifar10 = c.data.format == "cifar10";
  if (!cifar10 && c.data.format != "cifar100") return;
  const int classes = cifar10 ? 10 : 100;
  rules.require(c.space.input_size == 32, {"space.input_size", "data.format"},
                fmt::format("space.input_size is {} ({} images have 32 pixels) set it to 32",
                            c.space.input_size, c.data.format));
  rules.require(c.space.input_channels == 3, {"space.input_channels", "data.format"},
                fmt::format("space.input_channels is {} ({} images have 3) set it to 3",
                            c.space.input_channels, c.data.format));
  rules.require(c.space.classes == classes, {"space.classes", "data.format"},
                fmt::format("space.classes is {} ({} has {}) set it to {}", c.space.classes, c.data.format,
                            classes, classes));
}

void check_data(const Config& c, Rules& rules) {
  check_cifar(c, rules);
  rules.require(c.data.format != "folder" || c.data.size == 0 || c.data.size == c.space.input_size,
                {"data.size", "space.input_size"},
                fmt::format("data.size is {} (space.input_size is {}) make them equal", c.data.size,
                            c.space.input_size));
  rules.require(
      c.data.crop < c.space.input_size, {"data.crop", "space.input_size"},
      fmt::format("data.crop is {} (an image has {} pixels) choose less", c.data.crop, c.space.input_size));
  rules.require(c.data.erase <= c.space.input_size, {"data.erase", "space.input_size"},
                fmt::format("data.erase is {} (an image has {} pixels) choose no more", c.data.erase,
                            c.space.input_size));
  rules.require(c.pairs.fp32_images <= c.data.validation, {"pairs.fp32_images", "data.validation"},
                fmt::format("pairs.fp32_images is {} (data.validation is {}) choose no more",
                            c.pairs.fp32_images, c.data.validation));
  rules.require(c.pairs.int8_images <= c.data.validation, {"pairs.int8_images", "data.validation"},
                fmt::format("pairs.int8_images is {} (data.validation is {}) choose no more",
                            c.pairs.int8_images, c.data.validation));
}

/// Only a limit says before the data are read how many training images there will be.
void check_train_limit(const Config& c, Rules& rules) {
  if (c.data.train_limit == 0) return;
  const std::pair<const char*, int> needs[] = {
      {"supernet.batch", c.supernet.batch},
      {"pairs.recalibration.images", c.pairs.recalibration.images},
      {"pairs.recalibration.batch", c.pairs.recalibration.batch},
      {"pairs.qat.batch", c.pairs.qat.batch},
      {"pairs.qat.calibration_images", c.pairs.qat.calibration_images},
      {"pairs.qat.batch_statistics_images", c.pairs.qat.batch_statistics_images},
      {"finetune.qat.batch", c.finetune.qat.batch},
      {"finetune.qat.calibration_images", c.finetune.qat.calibration_images},
      {"finetune.qat.batch_statistics_images", c.finetune.qat.batch_statistics_images}};
  for (const auto& [name, images] : needs)
    rules.require(
        images <= c.data.train_limit, {name, "data.train_limit"},
        fmt::format("{} is {} (data.train_limit is {}) choose no more", name, images, c.data.train_limit));
}

void check_space(const Config& c, Rules& rules) {
  bool stages_fit = !c.space.stages.empty();
  rules.require(stages_fit, {"space.stages"},
                "space.stages is empty (no block to search) list at least one stage");
  for (std::size_t i = 0; i < c.space.stages.size(); ++i) {
    const space::StageOptions& s = c.space.stages[i];
    const std::string path = fmt::format("space.stages[{}]", i);
    const bool odd = std::all_of(s.kernels.begin(), s.kernels.end(), [](int k) { return k % 2 == 1; });
    rules.require(odd, {path + ".kernels", path},
                  path + ".kernels has an even number (the centre must be a pixel) choose odd ones");
    rules.require(s.min_expand <= s.max_expand, {path + ".min_expand", path + ".max_expand", path},
                  fmt::format("{}.min_expand is {} (max_expand is {}) exchange them", path,
                              io::number(s.min_expand), io::number(s.max_expand)));
    stages_fit = stages_fit && odd && s.min_expand <= s.max_expand;
  }
  if (stages_fit) rules.require([&] { space::SearchSpace{c.space}; }, {"space"}, "");
}

std::map<std::string, double> limits_of(const BudgetOptions& budget) {
  std::map<std::string, double> limits{{budget.metric, budget.limit}};
  for (const BoundOptions& bound : budget.also) limits.emplace(bound.metric, bound.limit);
  return limits;
}

void check_hardware(const Config& c, Rules& rules) {
  rules.require(c.hardware.device != "lut" || !c.hardware.table.empty(), {"hardware.device"},
                "hardware.device is 'lut' (hardware.table names no file) give one, made by 'apq lut build'");
  rules.require(!c.budgets.empty(), {"budgets"},
                "budgets is empty (nothing to search for) write '- {metric: latency_ms, limit: 1}'");
  for (std::size_t i = 0; i < c.budgets.size(); ++i) {
    const std::string path = fmt::format("budgets[{}]", i);
    const auto limits = limits_of(c.budgets[i]);
    rules.require(limits.size() == c.budgets[i].also.size() + 1, {path + ".and", path},
                  path + " bounds a metric twice (one limit is enough) remove the looser one");
    for (std::size_t j = 0; j < i; ++j)
      rules.require(limits != limits_of(c.budgets[j]), {path, "budgets"},
                    fmt::format("{} repeats budgets[{}] ({} {}) remove one", path, j, c.budgets[i].metric,
                                io::number(c.budgets[i].limit)));
  }
}

void check_training(const Config& c, Rules& rules) {
  rules.require(
      c.supernet.warmup_epochs <= c.supernet.epochs, {"supernet.warmup_epochs", "supernet.epochs"},
      fmt::format("supernet.warmup_epochs is {} (supernet.epochs, warm-up included, is {}) choose no more",
                  io::number(c.supernet.warmup_epochs), io::number(c.supernet.epochs)));
  for (const auto& [name, pairs] : {std::pair{"pairs.fp32", c.pairs.fp32}, {"pairs.int8", c.pairs.int8}}) {
    const double held_out = pairs * c.predictor.held_out;
    rules.require(
        held_out >= 1 && pairs - held_out >= 1, {name, "predictor.held_out"},
        fmt::format("{} is {} (predictor.held_out {} must leave one pair on each side) choose more pairs",
                    name, pairs, io::number(c.predictor.held_out)));
  }
}

void check_pairs(const Config& c, Rules& rules) {
  rules.require(
      c.pairs.noise <= c.pairs.int8, {"pairs.noise", "pairs.int8"},
      fmt::format("pairs.noise is {} (pairs.int8 is {}) choose no more", c.pairs.noise, c.pairs.int8));
}

void check_search(const Config& c, Rules& rules) {
  const SearchOptions& s = c.search;
  std::istringstream names(s.objectives);
  for (std::string name; names >> name;)
    rules.require([&] { name == "budget" || hw::metric_name(hw::metric_from_name(name)); },
                  {"search.objectives"}, "search.objectives: ");
  const search::EvolutionOptions& e = s.evolution;
  rules.require(s.evaluation_interval <= s.generations, {"search.evaluation_interval", "search.generations"},
                fmt::format("search.evaluation_interval is {} (search.generations is {}) choose no more",
                            s.evaluation_interval, s.generations));
  rules.require(
      e.elites <= e.population, {"search.evolution.elites", "search.evolution.population"},
      fmt::format("search.evolution.elites is {} (population is {}) choose no more", e.elites, e.population));
  rules.require(e.mutants + e.crossovers >= 1, {"search.evolution.mutants", "search.evolution.crossovers"},
                "search.evolution.mutants and crossovers are 0 (a generation has no children) raise one");
  rules.require(
      e.population <= e.elites + e.mutants + e.crossovers,
      {"search.evolution.population", "search.evolution.elites", "search.evolution.mutants",
       "search.evolution.crossovers"},
      fmt::format("search.evolution.population is {} (elites, mutants and crossovers make {}) choose no more",
                  e.population, e.elites + e.mutants + e.crossovers));
  rules.require(s.evaluated_elites <= e.population,
                {"search.evaluated_elites", "search.evolution.population"},
                fmt::format("search.evaluated_elites is {} (population is {}) choose no more",
                            s.evaluated_elites, e.population));
  rules.require(
      s.exploration == 0 || c.predictor.members >= 2, {"search.exploration", "predictor.members"},
      fmt::format("search.exploration is {} (predictor.members is {}, which cannot differ) train at "
                  "least 2 members",
                  io::number(s.exploration), c.predictor.members));
  rules.require(s.islands.migrants <= e.population,
                {"search.islands.migrants", "search.evolution.population"},
                fmt::format("search.islands.migrants is {} (population is {}) choose no more",
                            s.islands.migrants, e.population));
}

}  // namespace

std::string folder_name_problem(const std::string& name) {
  constexpr std::size_t kLongest = 100;
  if (name.empty()) return "it is empty";
  if (name.size() > kLongest) return fmt::format("more than {} characters", kLongest);
  if (name[0] == '-' || name[0] == '.') return "it starts with '-' or '.'";
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return std::all_of(name.begin(), name.end(), allowed) ? ""
                                                        : "it has other characters than A-Z a-z 0-9 . _ -";
}

void check(const Config& config, const Reader& reader, const Place& file, Problems& problems) {
  Rules rules(reader, file, problems);
  const std::string why = folder_name_problem(config.name);
  rules.require(
      why.empty(), {"name"},
      fmt::format("name is {} ({}) a run's folder is named after it, set 'name'", shown(config.name), why));
  check_data(config, rules);
  check_train_limit(config, rules);
  check_space(config, rules);
  check_hardware(config, rules);
  check_training(config, rules);
  check_pairs(config, rules);
  rules.require(
      !config.predictor.bits_after_relu || config.predictor.inference != "int8",
      {"predictor.bits_after_relu", "predictor.inference"},
      "predictor.bits_after_relu is true (predictor.inference int8 has no negative activations) choose "
      "fp32 or bf16");
  check_search(config, rules);
}

}  // namespace apq::config
