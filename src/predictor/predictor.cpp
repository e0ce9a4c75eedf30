// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/predictor/predictor.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "apq/core/error.hpp"
#include "apq/core/random.hpp"
#include "apq/nn/mlp.hpp"
#include "predictor/first_layer.hpp"
#include "predictor/perceptron.hpp"
#include "predictor/split.hpp"
#include "predictor/training.hpp"

namespace apq::predictor {
namespace {

/// Fewer pairs than this are not split.
constexpr std::size_t kFewestToSplit = 10;
/// Random networks whose activations set the ranges of int8 inference.
constexpr int kCalibration = 512;

/// Layers as keys of their initial values.
enum Layer : std::uint64_t { kArchitecture, kBits, kSecond, kThird, kOutput };

Shape shape_of(const space::SearchSpace& space, bool with_bits, const PredictorOptions& options) {
  return {static_cast<std::size_t>(with_bits ? space.slots() : space.architecture_slots()),
          static_cast<std::size_t>(options.hidden),
          static_cast<std::size_t>(with_bits && options.bits_after_relu ? space.bit_slots() : 0)};
}

/// The first layer starts at a tenth of the usual deviation. Genes that few pairs show then weigh little
/// instead of at random, and a bit map added to a transferred trunk leaves what the trunk knows.
constexpr double kFirstLayerScale = 0.1;

/// He et al. 2015: the deviation that keeps the variance through a ReLU for `inputs` inputs of about one.
void he_normal(std::uint64_t seed, int member, Layer layer, std::size_t inputs, double scale,
               std::span<float> weights) {
  RandomStream random(seed, Purpose::predictor_init, layer, static_cast<std::uint64_t>(member));
  const double deviation = scale * std::sqrt(2.0 / static_cast<double>(inputs));
  for (float& weight : weights) weight = static_cast<float>(deviation * random.normal());
}

void check(const PredictorOptions& o) {
  const auto require = [](bool ok, const char* key, double value, const char* reason) {
    validate(ok, ErrorKind::usage, "predictor.{} = {} (it must be {}) change it", key, value, reason);
  };
  require(o.members >= 1, "members", o.members, "at least 1");
  require(o.hidden >= 1, "hidden", o.hidden, "at least 1");
  require(o.epochs >= 1, "epochs", o.epochs, "at least 1");
  require(o.patience >= 1, "patience", o.patience, "at least 1");
  require(o.batch >= 1, "batch", o.batch, "at least 1");
  require(o.learning_rate > 0, "learning_rate", o.learning_rate, "above 0");
  require(o.weight_decay >= 0, "weight_decay", o.weight_decay, "0 or more");
  require(o.held_out >= 0 && o.held_out < 1, "held_out", o.held_out, "at least 0 and below 1");
  require(o.trunk_rate >= 0, "trunk_rate", o.trunk_rate, "0 or more");
  require(o.frozen_epochs >= 0, "frozen_epochs", o.frozen_epochs, "0 or more");
  validate(std::ranges::count(losses(), o.loss) == 1, ErrorKind::usage,
           "predictor.loss = {} (it must be one of {}) change it", o.loss, fmt::join(losses(), ", "));
  const nn::Precision precision = nn::precision_from_name(o.inference);
  validate(!o.bits_after_relu || precision != nn::Precision::int8, ErrorKind::usage,
           "predictor.inference = int8 (with bits_after_relu activations have a sign) choose fp32 or bf16");
}

}  // namespace

Split split(const space::SearchSpace& space, std::span<const Pair> pairs, double share, std::uint64_t seed) {
  const std::vector<Pair> all(pairs.begin(), pairs.end());
  Split result;
  for (const Pair& pair : all) {
    const double draw = RandomStream(seed, Purpose::predictor_split, space.hash(pair.genome)).uniform();
    (draw < share ? result.held_out : result.training).push_back(pair);
  }
  const bool enough = all.size() >= kFewestToSplit && result.held_out.size() >= 2 && !result.training.empty();
  return enough ? result : Split{all, all};
}

std::vector<std::string> losses() { return {"mse", "ranking"}; }

Predictor::Predictor(const space::SearchSpace& space, bool with_bits, const PredictorOptions& options,
                     std::uint64_t seed)
    : space_(&space), options_(options), seed_(seed), with_bits_(with_bits) {
  check(options);
  const Shape shape = shape_of(space, with_bits, options);
  const std::size_t n = shape.hidden;
  const std::size_t bit_rows = static_cast<std::size_t>(space.architecture_slots()) * n;
  std::vector<std::int32_t> slots;
  space.encode(space.largest(), with_bits, slots);
  for (int m = 0; m < options.members; ++m) {
    const std::span<float> all(members_.emplace_back(shape.size(), 0.0f));
    he_normal(seed, m, kArchitecture, slots.size(), kFirstLayerScale, all.first(bit_rows));
    he_normal(seed, m, kBits, slots.size(), kFirstLayerScale,
              all.subspan(bit_rows, shape.first_bias() - bit_rows));
    he_normal(seed, m, kSecond, n, 1, all.subspan(shape.second(), n * n));
    he_normal(seed, m, kThird, n, 1, all.subspan(shape.third(), n * n));
    he_normal(seed, m, kOutput, n, 1, all.subspan(shape.output(), n));
  }
}

Quality Predictor::fit(std::span<const Pair> pairs, const Team& team) {
  APQ_ASSERT(space_ != nullptr);
  validate(!pairs.empty(), ErrorKind::data, "the predictor has nothing to learn from (0 pairs) measure some");
  for (const Pair& pair : pairs)
    validate(std::isfinite(pair.accuracy), ErrorKind::numeric,
             "a measured accuracy is {} (network {}) look at how it was measured", pair.accuracy,
             space_->to_text(pair.genome));
  const Split parts = split(*space_, pairs, options_.held_out, seed_);

  double sum = 0, squares = 0;
  for (const Pair& pair : parts.training) sum += pair.accuracy;
  const double mean = sum / static_cast<double>(parts.training.size());
  for (const Pair& pair : parts.training) squares += (pair.accuracy - mean) * (pair.accuracy - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(parts.training.size()));
  const double scale = deviation > 0 ? deviation_ / deviation : 0;  // of what was transferred
  mean_ = static_cast<float>(mean);
  deviation_ = static_cast<float>(deviation);
  // Equal targets leave nothing to learn but the mean: a deviation of 0 predicts just that.
  const auto samples = [&](const std::vector<Pair>& from) {
    Samples result;
    for (const Pair& pair : from) {
      space_->encode(pair.genome, with_bits_, result.slots.emplace_back());
      result.targets.push_back(deviation_ > 0 ? static_cast<float>((pair.accuracy - mean) / deviation) : 0);
    }
    return result;
  };

  const Shape shape = shape_of(*space_, with_bits_, options_);
  const double rate = options_.learning_rate, trunk = transferred_ ? rate * options_.trunk_rate : rate;
  const std::size_t bit_rows = static_cast<std::size_t>(space_->architecture_slots()) * shape.hidden;
  const int frozen = transferred_ ? options_.frozen_epochs : 0;
  const Group groups[] = {{0, bit_rows, trunk, frozen},
                          {bit_rows, shape.first_bias(), rate},
                          {shape.first_bias(), shape.size(), trunk, frozen}};
  const Samples training = samples(parts.training), held_out = samples(parts.held_out);
  for (std::size_t m = static_cast<std::size_t>(team.rank); m < members_.size();
       m += static_cast<std::size_t>(team.size)) {
    std::vector<float> origin(shape.size());
    if (transferred_) {
      // Before anything is learnt, what was transferred predicts the accuracies it did, moved to the mean of
      // these pairs: else the trunk would have to learn the new level and scale, and lose what it knows.
      if (scale > 0) scale_output(shape, scale, training, members_[m]);
      origin = members_[m];
    }
    const int epochs = train(shape, options_, seed_, static_cast<int>(m), groups, std::move(origin), training,
                             held_out, members_[m]);
    members_[m].push_back(static_cast<float>(epochs));  // goes along in the exchange
  }
  team.exchange(members_);
  int epochs = 0;
  for (auto& member : members_) {
    epochs = std::max(epochs, static_cast<int>(member.back()));
    member.pop_back();
  }
  trained_ = true;
  inference_.reset();

  std::vector<space::Genome> genomes;
  std::vector<double> measured, predicted(parts.held_out.size());
  for (const Pair& pair : parts.held_out) {
    genomes.push_back(pair.genome);
    measured.push_back(pair.accuracy);
  }
  predict(genomes, predicted);
  Quality result = quality(predicted, measured);
  result.epochs = epochs;
  return result;
}

void Predictor::transfer_from(const Predictor& fp32) {
  APQ_ASSERT(with_bits_ && !fp32.with_bits_ && fp32.trained_);
  const Shape to = shape_of(*space_, true, options_);
  const Shape from = shape_of(*fp32.space_, false, fp32.options_);
  APQ_ASSERT(from.slots == static_cast<std::size_t>(space_->architecture_slots()) &&
             from.hidden == to.hidden && members_.size() == fp32.members_.size());
  for (std::size_t m = 0; m < members_.size(); ++m) {
    const auto& p = fp32.members_[m];
    const auto trunk = p.begin() + static_cast<std::ptrdiff_t>(from.first_bias());
    std::copy(p.begin(), trunk, members_[m].begin());
    std::copy(trunk, p.end(), members_[m].begin() + static_cast<std::ptrdiff_t>(to.first_bias()));
  }
  mean_ = fp32.mean_;
  deviation_ = fp32.deviation_;
  transferred_ = true;
  inference_.reset();
}

/// Everything `predict` needs, for one set of members.
struct Predictor::Inference {
  Inference(const space::SearchSpace& space, bool with_bits, const PredictorOptions& options,
            const std::vector<std::vector<float>>& members, std::uint64_t seed)
      : first(space, with_bits && !options.bits_after_relu),
        bits_are_late(with_bits && options.bits_after_relu) {
    const nn::Picks some = calibration(space, seed);
    for (const auto& parameters : members)
      mlps.emplace_back(weights(space, with_bits, options, parameters),
                        nn::precision_from_name(options.inference), some);
  }

  nn::MlpWeights weights(const space::SearchSpace& space, bool with_bits, const PredictorOptions& options,
                         std::span<const float> p) const {
    const int hidden = options.hidden;
    const Shape shape = shape_of(space, with_bits, options);
    const std::size_t n = shape.hidden;
    const auto part = [&](std::size_t begin, std::size_t size) {
      return std::vector<float>(p.begin() + static_cast<std::ptrdiff_t>(begin),
                                p.begin() + static_cast<std::ptrdiff_t>(begin + size));
    };
    return {hidden,
            first.table(p.first(shape.first_bias()), hidden),
            part(shape.first_bias(), n),
            part(shape.second(), n * n),
            part(shape.second_bias(), n),
            part(shape.third(), n * n),
            part(shape.third_bias(), n),
            part(shape.output(), n),
            p[shape.output_bias()],
            part((shape.slots - shape.late) * n, shape.late * n)};
  }
  nn::Picks calibration(const space::SearchSpace& space, std::uint64_t seed) const {
    nn::Picks some;
    for (int i = 0; i < kCalibration; ++i) {
      RandomStream random(seed, Purpose::inference_range, static_cast<std::uint64_t>(i));
      first.pick(space.sample(random), some);
    }
    return some;
  }

  /// The bit slots of a genome, counted from the first of them.
  void pick_bits(const space::SearchSpace& space, const space::Genome& genome) {
    space.encode(genome, true, slots);
    for (const std::int32_t slot : slots)
      if (slot >= space.architecture_slots()) late.rows.push_back(slot - space.architecture_slots());
    late.end_input();
  }

  FirstLayer first;
  bool bits_are_late;
  std::vector<nn::Mlp> mlps;
  nn::Picks picks, late;  ///< of the last call; their memory is used again
  std::vector<std::int32_t> slots;
  std::vector<float> outputs;
};

void Predictor::ask_members(std::span<const space::Genome> genomes,
                            const std::function<void(std::span<const float>)>& take) const {
  APQ_ASSERT(trained_);
  if (!inference_) inference_ = std::make_shared<Inference>(*space_, with_bits_, options_, members_, seed_);
  Inference& now = *inference_;
  now.picks.clear();
  now.late.clear();
  for (const space::Genome& genome : genomes) {
    now.first.pick(genome, now.picks);
    if (now.bits_are_late) now.pick_bits(*space_, genome);
  }
  now.outputs.resize(genomes.size());
  for (nn::Mlp& mlp : now.mlps) {
    mlp.run(now.picks, now.outputs, now.bits_are_late ? &now.late : nullptr);
    take(now.outputs);
  }
}

void Predictor::predict(std::span<const space::Genome> genomes, std::span<double> accuracy) const {
  APQ_ASSERT(genomes.size() == accuracy.size());
  std::ranges::fill(accuracy, static_cast<double>(mean_));
  const double scale = static_cast<double>(deviation_) / static_cast<double>(members_.size());
  ask_members(genomes, [&](std::span<const float> outputs) {
    for (std::size_t i = 0; i < outputs.size(); ++i) accuracy[i] += scale * outputs[i];
  });
}

void Predictor::spread(std::span<const space::Genome> genomes, std::span<double> deviation) const {
  APQ_ASSERT(genomes.size() == deviation.size());
  // Welford: members that agree have a spread of exactly 0.
  std::vector<double> mean(genomes.size());
  std::ranges::fill(deviation, 0.0);
  double members = 0;
  ask_members(genomes, [&](std::span<const float> outputs) {
    ++members;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const double from_before = outputs[i] - mean[i];
      mean[i] += from_before / members;
      deviation[i] += from_before * (outputs[i] - mean[i]);
    }
  });
  for (double& d : deviation)
    d = static_cast<double>(deviation_) * (members > 1 ? std::sqrt(d / (members - 1)) : 0);
}

std::vector<float> Predictor::weights() const {
  std::vector<float> numbers;
  for (const auto& member : members_) numbers.insert(numbers.end(), member.begin(), member.end());
  numbers.insert(numbers.end(), {mean_, deviation_, transferred_ ? 1.0f : 0.0f});
  return numbers;
}

void Predictor::load(std::span<const float> weights) {
  APQ_ASSERT(space_ != nullptr);
  const std::size_t one = members_.front().size(), size = members_.size() * one;
  validate(weights.size() == size + 3, ErrorKind::checkpoint,
           "the saved predictor does not fit ({} numbers, this space, hidden = {} and members = {} need {}) "
           "train it again",
           weights.size(), options_.hidden, options_.members, size + 3);
  validate(std::ranges::all_of(weights, [](float w) { return std::isfinite(w); }), ErrorKind::checkpoint,
           "the saved predictor is damaged (a weight is no number) train it again");
  for (std::size_t m = 0; m < members_.size(); ++m)
    std::ranges::copy(weights.subspan(m * one, one), members_[m].begin());
  mean_ = weights[size];
  deviation_ = weights[size + 1];
  transferred_ = weights[size + 2] != 0;
  trained_ = true;
  inference_.reset();
}

}  // namespace apq::predictor
