// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>

#include "apq/eval/evaluators.hpp"
#include "apq/io/files.hpp"
#include "pipeline/artifacts.hpp"
#include "pipeline/context.hpp"
#include "pipeline/measure.hpp"
#include "pipeline/pairs_file.hpp"

namespace apq::pipeline {

namespace {

/// Costs without accuracy: enough for drawing genomes within a budget.
class CostsOnly final : public search::Evaluator {
 public:
  explicit CostsOnly(const hw::CostModel& costs) : costs_(&costs) {}
  void evaluate(std::span<const space::Genome> genomes, std::span<search::Score> scores) override {
    for (std::size_t i = 0; i < genomes.size(); ++i) scores[i] = {0, costs_->cost(genomes[i]).values};
  }
  double cost(const space::Genome& genome, int metric) const override {
    return costs_->cost(genome, static_cast<hw::Metric>(metric));
  }

 private:
  const hw::CostModel* costs_;
};

space::Genome fp32_genome(const Context& c, std::int64_t i) {
  RandomStream random(c.config.seed, Purpose::fp32_pair, static_cast<std::uint64_t>(i));
  return c.space.sample(random);
}

std::map<std::int64_t, double> known(const io::Archive& a, const std::string& key) {
  std::map<std::int64_t, double> results;
  const auto indices = a.integers(key + ".index");
  const auto values = a.doubles(key + ".accuracy");
  for (std::size_t i = 0; i < indices.size() && i < values.size(); ++i) results[indices[i]] = values[i];
  return results;
}

void put(io::Archive& a, const std::string& key, const std::map<std::int64_t, double>& results) {
  std::vector<std::int64_t> indices;
  std::vector<double> values;
  for (const auto& [index, value] : results) {
    indices.push_back(index);
    values.push_back(value);
  }
  a.put(key + ".index", indices);
  a.put(key + ".accuracy", values);
}

std::string spread(const std::vector<predictor::Pair>& pairs) {
  if (pairs.empty()) return "none";
  const auto [low, high] = std::ranges::minmax_element(pairs, {}, &predictor::Pair::accuracy);
  return fmt::format("{:.2f} to {:.2f} %", 100 * low->accuracy, 100 * high->accuracy);
}

/// What was measured, without what failed.
std::vector<Measured> samples(const Context& c, const std::vector<space::Genome>& genomes,
                              const std::map<std::int64_t, double>& results) {
  std::vector<Measured> list;
  for (const auto& [i, accuracy] : results)
    list.push_back({c.space.canonical(genomes[static_cast<std::size_t>(i)]), 0, "sample", 0, accuracy});
  std::erase_if(list, [](const Measured& m) { return m.failed(); });
  return list;
}

/// Labels of these networks among those of another run, by index.
std::map<std::int64_t, double> measured_before(const Context& c, const std::vector<space::Genome>& genomes,
                                               const std::vector<predictor::Pair>& pairs) {
  std::map<space::Genome, double> labels;
  for (const auto& pair : pairs) labels.emplace(c.space.canonical(pair.genome), pair.accuracy);
  std::map<std::int64_t, double> results;
  for (std::size_t i = 0; i < genomes.size(); ++i)
    if (const auto found = labels.find(c.space.canonical(genomes[i])); found != labels.end())
      results[static_cast<std::int64_t>(i)] = found->second;
  return results;
}

}  // namespace

space::Genome pair_genome(const Context& c, Purpose purpose, std::int64_t i) {
  RandomStream random(c.config.seed, purpose, static_cast<std::uint64_t>(i));
  const std::size_t b = static_cast<std::size_t>(i) % (c.budgets.size() + 1);
  if (b == c.budgets.size()) return c.space.sample(random);
  return search::random_within(c.space, CostsOnly(c.costs), c.budgets[b], random);
}

void run_collect(Context& c) {
  const auto net = load_supernet(c);
  eval::TrueEvaluator evaluator(*net, *c.data);
  const auto& options = c.config.pairs;
  std::vector<space::Genome> fp32_genomes, int8_genomes;
  for (int i = 0; i < options.fp32; ++i) fp32_genomes.push_back(fp32_genome(c, i));
  for (int i = 0; i < options.int8; ++i) int8_genomes.push_back(pair_genome(c, Purpose::int8_pair, i));
  std::map<std::int64_t, double> fp32, int8, again;
  if (const auto state = c.restore()) {
    fp32 = known(*state, "fp32");
    int8 = known(*state, "int8");
    if (options.noise > 0) again = known(*state, "again");
  } else if (!c.pairs.empty()) {
    require_this_recipe(c.pairs, c, *net, "run");
    const fs::path floats = c.pairs / "pairs_fp32.csv", integers = c.pairs / "pairs_int8.csv";
    if (fs::exists(floats)) fp32 = measured_before(c, fp32_genomes, read_pairs_fp32(c.space, floats));
    if (fs::exists(integers))
      int8 = measured_before(c, int8_genomes, as_pairs(read_pairs_int8(c.space, integers)));
    c.note(fmt::format("collect: {} of {} float and {} of {} int8 pairs are known from {}", fp32.size(),
                       options.fp32, int8.size(), options.int8, c.pairs.string()));
  }
  const auto save = [&] {
    io::Archive a;
    put(a, "fp32", fp32);
    put(a, "int8", int8);
    if (options.noise > 0) put(a, "again", again);
    c.save(static_cast<std::int64_t>(fp32.size() + int8.size() + again.size()), a);
  };
  measure(
      c, fp32_genomes, fp32, "float pairs",
      [&](const space::Genome& genome, const comm::Beat&) {
        return evaluator.float_accuracy(genome, options.recalibration, options.fp32_images);
      },
      save);
  measure(
      c, int8_genomes, int8, "int8 pairs",
      [&](const space::Genome& genome, const comm::Beat& beat) {
        return evaluator.integer_accuracy(genome, options.qat, options.int8_images, beat);
      },
      save);
  if (options.noise > 0) {
    auto other_order = options.qat;
    other_order.data_order = 1;
    const auto end = int8_genomes.begin() + std::min<std::ptrdiff_t>(options.noise, options.int8);
    measure(
        c, {int8_genomes.begin(), end}, again, "int8 pairs again",
        [&](const space::Genome& genome, const comm::Beat& beat) {
          return evaluator.integer_accuracy(genome, other_order, options.int8_images, beat);
        },
        save);
  }

  if (!c.comm.root()) return;
  const std::vector<predictor::Pair> fp32_pairs = as_pairs(samples(c, fp32_genomes, fp32));
  const std::vector<Measured> int8_pairs = samples(c, int8_genomes, int8);
  write_recipe(c, *net);
  io::write_atomically(c.out / "pairs_fp32.csv", pairs_fp32_csv(c.space, fp32_pairs));
  io::write_atomically(c.out / "pairs_int8.csv", pairs_int8_csv(c.space, c.costs, int8_pairs));
  if (options.noise > 0) {
    std::vector<Twice> twice;
    for (const auto& [i, accuracy] : again)
      if (std::isfinite(accuracy) && std::isfinite(int8.at(i)))
        twice.push_back({c.space.canonical(int8_genomes[static_cast<std::size_t>(i)]), int8.at(i), accuracy});
    io::write_atomically(c.out / "pairs_noise.csv", pairs_noise_csv(c.space, twice));
    c.note(fmt::format("collect: {} int8 pairs measured again; both rank {:.1f} % of their pairs alike",
                       twice.size(), 100 * noise_ceiling(twice).pairwise_accuracy));
  }
  const std::size_t failed = fp32.size() - fp32_pairs.size() + int8.size() - int8_pairs.size();
  c.note(fmt::format("collect: {} float pairs ({}), {} int8 pairs ({}){}", fp32_pairs.size(),
                     spread(fp32_pairs), int8_pairs.size(), spread(as_pairs(int8_pairs)),
                     failures(static_cast<std::int64_t>(failed))));
}

}  // namespace apq::pipeline
