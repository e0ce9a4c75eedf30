// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/eval/latency.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "apq/core/error.hpp"
#include "apq/nn/integer.hpp"
#include "apq/quant/quantizer.hpp"

namespace apq::eval {
namespace {

constexpr int kWarmUp = 5;
constexpr int kCalibrationImages = 32;

using Clock = std::chrono::steady_clock;

double quantile(std::vector<double> values, double share) {
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

double spread(const std::vector<double>& values) { return quantile(values, 0.75) - quantile(values, 0.25); }

/// Among the fastest: what others do on the machine only ever adds time.
double quiet(const std::vector<double>& values) { return quantile(values, 0.02); }

/// Stamps of the layers' beginnings and of the end; set(i) is cheap against any layer.
class Stamps {
 public:
  explicit Stamps(std::size_t layers) : at_(layers + 1) {}
  void set(int i) { at_[static_cast<std::size_t>(i)] = Clock::now(); }
  double ms(std::size_t from, std::size_t to) const {
    return std::chrono::duration<double, std::milli>(at_[to] - at_[from]).count();
  }

 private:
  std::vector<Clock::time_point> at_;
};

/// `run` is the bare network, `run_stamped` sets the stamps.
template <class Run, class RunStamped>
NetworkTime time_network(std::size_t layers, int repeats, Run run, Stamps& stamps, RunStamped run_stamped) {
  const auto n = static_cast<std::size_t>(repeats);
  NetworkTime result;
  std::vector<double> totals;
  Stamps whole(1);
  for (int i = 0; i < kWarmUp; ++i) run();
  for (int i = 0; i < repeats; ++i) {
    whole.set(0);
    run();
    whole.set(1);
    totals.push_back(whole.ms(0, 1));
  }
  result.total_ms = quiet(totals);
  result.spread_ms = spread(totals);

  std::vector<std::vector<double>> samples(layers, std::vector<double>(n));
  for (int i = 0; i < kWarmUp; ++i) run_stamped();
  for (std::size_t i = 0; i < n; ++i) {
    run_stamped();
    for (std::size_t l = 0; l < layers; ++l) samples[l][i] = stamps.ms(l, l + 1);
  }
  for (const std::vector<double>& ms : samples) {
    result.layer_ms.push_back(quiet(ms));
    result.layer_spread_ms.push_back(spread(ms));
  }
  return result;
}

}  // namespace

LatencyMeter::LatencyMeter(const space::SearchSpace& space, int batch, std::uint64_t seed)
    : space_(&space), batch_(batch), net_(space, seed) {
  const auto& o = space.options();
  RandomStream random(seed, Purpose::calibration);
  images_.resize(static_cast<std::size_t>(std::max(batch, kCalibrationImages)) * o.input_size * o.input_size *
                 o.input_channels);
  for (float& value : images_) value = static_cast<float>(random.normal());
}

NetworkTime LatencyMeter::measure(const space::Genome& genome, Precision precision, int repeats) {
  APQ_ASSERT(repeats >= 1);
  const nn::Network& network = net_.select(genome);
  executor_.begin_statistics(network);
  executor_.forward(network, images_.data(), kCalibrationImages, nn::Mode::statistics);
  executor_.end_statistics(network);
  nn::Model model = nn::fold_normalisation(network);
  const std::size_t layers = model.network.layers.size();
  const float* x = images_.data();
  Stamps stamps(layers);
  if (precision == Precision::fp32) {
    nn::Executor plain, stamped;
    stamped.set_observer([&](int layer, const float*, std::int64_t, int) { stamps.set(layer); });
    return time_network(
        layers, repeats, [&] { plain.forward(model.network, x, batch_, nn::Mode::evaluate); }, stamps,
        [&] {
          stamped.forward(model.network, x, batch_, nn::Mode::evaluate);
          stamps.set(static_cast<int>(layers));
        });
  }
  quant::prepare(model, supernet::layer_bits(*space_, genome), x, kCalibrationImages, executor_);
  const nn::IntegerNetwork integer = quant::lower(model);
  nn::IntegerExecutor plain(integer), stamped(integer);
  stamped.set_observer([&](int layer) { stamps.set(layer); });
  return time_network(
      layers, repeats, [&] { plain.forward(x, batch_); }, stamps, [&] { stamped.forward(x, batch_); });
}

std::vector<space::Genome> covering_genomes(const space::SearchSpace& space) {
  std::size_t count = 1;
  for (const auto& block : space.blocks())
    count = std::max(count, block.kernels.size() * block.widths.size());
  std::vector<space::Genome> genomes;
  for (std::size_t i = 0; i < count; ++i) {
    space::Genome genome = space.largest();
    for (std::size_t b = 0; b < genome.blocks.size(); ++b) {
      const auto& choices = space.blocks()[b];
      const std::size_t pair = i % (choices.kernels.size() * choices.widths.size());
      genome.blocks[b].kernel = static_cast<std::uint8_t>(pair % choices.kernels.size());
      genome.blocks[b].width = static_cast<std::uint8_t>(pair / choices.kernels.size());
    }
    genomes.push_back(std::move(genome));
  }
  return genomes;
}

}  // namespace apq::eval
