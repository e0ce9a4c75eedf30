// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <nlohmann/json.hpp>

#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "apq/core/random.hpp"
#include "apq/pipeline/bench.hpp"
#include "apq/supernet/supernet.hpp"

namespace apq::pipeline {

namespace {

/// Images of random bytes: as many as the pair stage reads, of the size that the space wants.
data::Dataset random_images(const config::Config& config, std::int64_t evaluated) {
  data::ImageSet set;
  set.size = config.space.input_size;
  set.channels = config.space.input_channels;
  set.classes = config.space.classes;
  set.count = static_cast<int>(evaluated + config.pairs.recalibration.images);
  RandomStream random(config.seed, Purpose::test);
  set.pixels.resize(static_cast<std::size_t>(set.count) * set.image_bytes());
  for (auto& byte : set.pixels) byte = static_cast<std::uint8_t>(random.below(256));
  for (int i = 0; i < set.count; ++i) set.labels.push_back(i % set.classes);
  data::DataOptions options = config.data;
  options.validation = evaluated;
  options.train_limit = 0;
  return {std::move(set), options, config.seed};
}

/// What the pair stage does with a sub-network, and the seconds of each part.
struct Parts {
  double slice = 0, recalibrate = 0, fold = 0, evaluate = 0;
  double all() const { return slice + recalibrate + fold + evaluate; }
};

}  // namespace

std::string bench_pairs(const config::Config& config, const EngineBench& options) {
  nn::set_threads(options.threads);
  const space::SearchSpace space(config.space);
  const std::int64_t images = config.pairs.fp32_images > 0
                                  ? std::min(config.pairs.fp32_images, config.data.validation)
                                  : config.data.validation;
  const data::Dataset data = random_images(config, images);
  supernet::Supernet net(space, config.seed);
  nn::Executor executor;
  nn::Profile profile;
  executor.set_profile(&profile);

  // As eval::TrueEvaluator::float_accuracy.
  const auto pair = [&](const space::Genome& genome, const supernet::RecalibrationOptions& recalibration,
                        std::int64_t evaluated) {
    Parts parts;
    const Timer timer;
    const nn::Network& network = net.select(genome);
    parts.slice = timer.seconds();
    supernet::recalibrate(network, data, recalibration, executor);
    parts.recalibrate = timer.seconds() - parts.slice;
    profile = {};
    supernet::validate(network, data, evaluated, executor);
    parts.fold = profile.folding;
    parts.evaluate = timer.seconds() - parts.slice - parts.recalibrate - parts.fold;
    return parts;
  };
  auto one_batch = config.pairs.recalibration;
  one_batch.images = std::min(one_batch.images, one_batch.batch);
  pair(space.largest(), one_batch, std::min<std::int64_t>(images, one_batch.batch));

  Parts sum;
  double macs = 0;
  std::uint64_t networks = 0;
  for (const Timer all; networks < 3 || all.seconds() < options.seconds; ++networks) {
    RandomStream random(config.seed, Purpose::fp32_pair, networks);
    const space::Genome genome = space.sample(random);
    for (const auto& layer : space.expand(genome)) macs += static_cast<double>(layer.macs());
    const Parts parts = pair(genome, config.pairs.recalibration, images);
    sum.slice += parts.slice;
    sum.recalibrate += parts.recalibrate;
    sum.fold += parts.fold;
    sum.evaluate += parts.evaluate;
  }

  const double seconds = sum.all(), rate = static_cast<double>(networks) / seconds;
  nlohmann::ordered_json j;
  j["mode"] = options.mode;
  j["threads"] = options.threads;
  j["instruction_set"] = nn::kernel_isa();
  j["mmac_per_image"] = macs / static_cast<double>(networks) / 1e6;
  j["recalibration_images"] = config.pairs.recalibration.images;
  j["evaluation_images"] = images;
  j["subnetworks"] = networks;
  j["subnetworks_per_s"] = rate;
  j["share"] = {{"slice", sum.slice / seconds},
                {"recalibrate", sum.recalibrate / seconds},
                {"fold", sum.fold / seconds},
                {"evaluate", sum.evaluate / seconds}};
  if (options.json) return j.dump(2);

  std::string text = fmt::format(
      "{}, {} threads, {}: {:.3f} sub-networks/s ({} never seen before, {:.1f} MMAC on average; {} images to "
      "recalibrate, {} to evaluate)\n",
      options.mode, options.threads, nn::kernel_isa(), rate, networks, j["mmac_per_image"].get<double>(),
      config.pairs.recalibration.images, images);
  for (const auto& [part, share] : j["share"].items())
    text += fmt::format("  {:12} {:5.1f} %, {:8.2f} ms a sub-network\n", part, 100 * share.get<double>(),
                        1e3 * share.get<double>() / rate);
  return text;
}

}  // namespace apq::pipeline
