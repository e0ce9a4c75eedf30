// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "apq/core/random.hpp"
#include "apq/nn/integer.hpp"
#include "apq/nn/primitives.hpp"
#include "apq/pipeline/bench.hpp"
#include "apq/quant/quantizer.hpp"
#include "apq/supernet/supernet.hpp"

namespace apq::pipeline {

namespace {

constexpr const char* kKinds[] = {"dense", "pointwise", "depthwise", "linear"};
/// Sub-networks whose first step is measured.
constexpr std::uint64_t kNeverSeen = 5;

/// One network and random images, ready to do steps of a mode.
class Bench {
 public:
  Bench(const config::Config& config, const EngineBench& options)
      : options_(options),
        seed_(config.seed),
        space_(config.space),
        net_(space_, config.seed),
        network_(&net_.select(space_.largest())),
        executor_(options.mode == "bf16" ? nn::Storage::bf16 : nn::Storage::fp32) {
    const auto image =
        static_cast<std::size_t>(network_->input_size) * network_->input_size * network_->input_channels;
    x_.resize(image * static_cast<std::size_t>(options.batch));
    RandomStream random(config.seed, Purpose::test);
    for (float& v : x_) v = static_cast<float>(random.normal());
    for (int i = 0; i < options.batch; ++i) labels_.push_back(i % network_->classes);
    dlogits_.resize(labels_.size() * static_cast<std::size_t>(network_->classes));
    if (!training()) prepare_evaluation();
  }

  /// Other sub-networks of the space, one after the other: seconds of the first step of each over those of
  /// the same step again (median of three), ascending. None with integers, or where the space has one
  /// network.
  std::vector<double> first_over_warm() {
    std::vector<double> ratios;
    if (integer_ || space_.log10_size() == 0) return ratios;
    for (std::uint64_t i = 1; i <= kNeverSeen; ++i) {
      RandomStream random(seed_, Purpose::test, i);
      const space::Genome genome = space_.sample(random);
      const auto seconds = [&] {
        const Timer timer;
        net_.select(genome);
        training() ? train() : evaluate(*network_);
        return timer.seconds();
      };
      const double first = seconds();
      std::array warm{seconds(), seconds(), seconds()};
      std::ranges::sort(warm);
      ratios.push_back(first / warm[1]);
    }
    net_.select(space_.largest());
    std::ranges::sort(ratios);
    return ratios;
  }

  void step() {
    if (integer_)
      integer_->forward(x_.data(), options_.batch);
    else if (training())
      train();
    else
      evaluate(folded_.network);
  }

  double macs() const {
    double sum = 0;
    for (const auto& l : space_.expand(space_.largest())) sum += static_cast<double>(l.macs());
    return sum;
  }

  /// Least seconds of the step's primitives, each alone: by kind, and last the normalisations.
  std::vector<double> standalone() const {
    std::vector<double> seconds(std::size(kKinds) + 1, 0.0);
    const auto precision = options_.mode == "int8" ? nn::Precision::int8 : nn::Precision::fp32;
    for (std::size_t i = 0; i < network_->layers.size(); ++i) {
      const nn::Layer& l = network_->layers[i];
      const nn::ConvShape shape{
          options_.batch, l.kind == nn::Kind::linear ? 1 : l.size, l.cin, l.cout, l.kernel, l.stride};
      const auto add = [&](nn::Pass pass) {
        seconds[static_cast<std::size_t>(l.kind)] += nn::convolution_seconds(l.kind, shape, pass, precision);
      };
      add(nn::Pass::forward);
      if (!training()) continue;
      add(nn::Pass::backward_weights);
      if (i > 0) add(nn::Pass::backward_data);
      if (!l.gamma.value) continue;
      seconds.back() += nn::normalisation_seconds(shape, nn::Pass::forward);
      seconds.back() += nn::normalisation_seconds(shape, nn::Pass::backward_data);
    }
    return seconds;
  }

  bool training() const { return options_.mode == "train" || options_.mode == "bf16"; }
  nn::Executor& executor() { return executor_; }

 private:
  void prepare_evaluation() {
    executor_.begin_statistics(*network_);
    executor_.forward(*network_, x_.data(), options_.batch, nn::Mode::statistics);
    executor_.end_statistics(*network_);
    folded_ = nn::fold_normalisation(*network_);
    if (options_.mode != "int8") return;
    quant::prepare(folded_, supernet::layer_bits(space_, space_.largest()), x_.data(), options_.batch,
                   executor_);
    integer_ = std::make_unique<nn::IntegerExecutor>(quant::lower(folded_));
  }

  void evaluate(const nn::Network& network) {
    executor_.forward(network, x_.data(), options_.batch, nn::Mode::evaluate);
  }

  void train() {
    const float* logits = executor_.forward(*network_, x_.data(), options_.batch, nn::Mode::train);
    nn::softmax_cross_entropy(options_.batch, network_->classes, logits, labels_.data(), 0.1f, nullptr, 0,
                              dlogits_.data());
    executor_.backward(*network_, x_.data(), dlogits_.data());
    net_.finish_backward();
    nn::sgd_step({.learning_rate = 0.01f}, net_.values(), net_.grads(), net_.velocity(), net_.decayed());
  }

  EngineBench options_;
  std::uint64_t seed_;
  space::SearchSpace space_;
  supernet::Supernet net_;
  const nn::Network* network_;  ///< what net_ has selected
  nn::Model folded_;
  std::unique_ptr<nn::IntegerExecutor> integer_;
  nn::Executor executor_;
  std::vector<float> x_, dlogits_;
  std::vector<std::int32_t> labels_;
};

}  // namespace

std::string bench_engine(const config::Config& config, const EngineBench& options) {
  nn::set_threads(options.threads);
  Bench bench(config, options);
  const Timer first_step;
  bench.step();
  const double first = first_step.seconds();

  bench.step();
  nn::Profile profile;
  bench.executor().set_profile(&profile);
  std::vector<double> steps;
  for (const Timer all; steps.size() < 3 || all.seconds() < options.seconds;) {
    const Timer timer;
    bench.step();
    steps.push_back(timer.seconds());
  }
  bench.executor().set_profile(nullptr);
  std::sort(steps.begin(), steps.end());
  const double median = steps[steps.size() / 2];
  const auto alone = bench.standalone();
  double bound = 0;
  for (const double s : alone) bound += s;
  const std::vector<double> ratios = bench.first_over_warm();

  const double flop = 2 * bench.macs() * options.batch * (bench.training() ? 3 : 1);
  nlohmann::ordered_json j;
  j["mode"] = options.mode;
  j["batch"] = options.batch;
  j["threads"] = options.threads;
  j["instruction_set"] = options.mode == "int8" ? nn::onednn_isa() : nn::kernel_isa();
  j["mmac_per_image"] = bench.macs() / 1e6;
  j["images_per_s"] = options.batch / median;
  j["gflop_per_s"] = flop / median / 1e9;
  j["step_seconds"] = {
      {"first", first}, {"least", steps.front()}, {"median", median}, {"most", steps.back()}};
  j["steps"] = steps.size();
  if (!ratios.empty())
    j["first_over_warm"] = {{"subnetworks", ratios.size()},
                            {"least", ratios.front()},
                            {"median", ratios[ratios.size() / 2]},
                            {"most", ratios.back()}};
  double convolutions = 0;
  for (std::size_t k = 0; k < std::size(kKinds) && options.mode != "int8"; ++k) {
    const double share = profile.seconds[k] / static_cast<double>(steps.size()) / median;
    convolutions += share;
    j["share"][kKinds[k]] = share;
  }
  if (options.mode != "int8") j["share"]["other"] = std::max(0.0, 1 - convolutions);
  for (std::size_t k = 0; k < std::size(kKinds); ++k) j["standalone_seconds"][kKinds[k]] = alone[k];
  j["standalone_seconds"]["normalisation"] = alone.back();
  j["efficiency"] = bound / median;
  if (options.json) return j.dump(2);

  std::string text = fmt::format(
      "{}, batch {}, {} threads, {}: {:.1f} images/s, {:.1f} GFLOP/s (median of {} steps of {:.1f} ms; the "
      "process's first {:.1f} ms)\n",
      options.mode, options.batch, options.threads, j["instruction_set"].get<std::string>(),
      options.batch / median, flop / median / 1e9, steps.size(), 1e3 * median, 1e3 * first);
  if (!ratios.empty())
    text += fmt::format(
        "first step of a sub-network never seen before: {:.2f} times the same step warm (median of {}; "
        "{:.2f} to "
        "{:.2f})\n",
        ratios[ratios.size() / 2], ratios.size(), ratios.front(), ratios.back());
  text += fmt::format("efficiency {:.2f}: the best stand-alone oneDNN primitives add up to {:.1f} ms\n",
                      bound / median, 1e3 * bound);
  for (std::size_t k = 0; k < std::size(kKinds); ++k) {
    text += fmt::format("  {:14} stand-alone {:8.2f} ms", kKinds[k], 1e3 * alone[k]);
    if (options.mode != "int8")
      text += fmt::format(", here {:5.1f} % of the step", 100 * j["share"][kKinds[k]].get<double>());
    text += "\n";
  }
  text += fmt::format("  {:14} stand-alone {:8.2f} ms{}\n", "normalisation", 1e3 * alone.back(),
                      bench.training() ? ", here part of the passes above" : "");
  return text;
}

}  // namespace apq::pipeline
