// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <limits>
#include <map>
#include <set>

#include "apq/core/error.hpp"
#include "apq/core/hash.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/core/progress.hpp"
#include "apq/eval/latency.hpp"
#include "apq/io/archive.hpp"
#include "apq/io/files.hpp"
#include "apq/nn/integer.hpp"
#include "apq/nn/ops.hpp"
#include "apq/pipeline/pipeline.hpp"
#include "apq/predictor/predictor.hpp"
#include "pipeline/context.hpp"
#include "pipeline/costs.hpp"
#include "pipeline/table_file.hpp"

namespace apq::pipeline {

namespace {

using eval::Precision;

constexpr Precision kPrecisions[] = {Precision::int8, Precision::fp32};

std::string now() {
  const std::time_t time = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/// Ranks on this host, and a warning when they and their threads have too few cores for clean times.
int check_cores(comm::Communicator& comm, int threads) {
  const HostInfo host = host_info();
  int here = 0;
  for (const comm::Bytes& name : comm.all_gather(std::as_bytes(std::span(host.name))))
    here += std::string_view(reinterpret_cast<const char*>(name.data()), name.size()) == host.name;
  if (comm.root() && here * threads > host.cores)
    log::warn("{} ranks x {} threads measure on {} cores of {}: times will be too long; use fewer", here,
              threads, host.cores, host.name);
  double load = 0;
  if (comm.root() && getloadavg(&load, 1) == 1 && load > host.cores - here * threads + 0.5)
    log::warn("the load of {} is {:.1f} on {} cores: others disturb the measurement; the fastest runs count",
              host.name, load, host.cores);
  return here;
}

/// One measured network: total, spread, then the layers' times and spreads.
using Measurement = std::vector<double>;

Measurement flatten(const eval::NetworkTime& t) {
  Measurement m{t.total_ms, t.spread_ms};
  m.insert(m.end(), t.layer_ms.begin(), t.layer_ms.end());
  m.insert(m.end(), t.layer_spread_ms.begin(), t.layer_spread_ms.end());
  return m;
}

/// Measurements that survive a stop, beside the file they are for.
class Partial {
 public:
  Partial(fs::path path, std::string fingerprint)
      : path_(std::move(path)), fingerprint_(std::move(fingerprint)) {}
  /// What an interrupted command left; empty when there is nothing or it was for something else.
  std::map<std::int64_t, Measurement> load() const {
    std::map<std::int64_t, Measurement> results;
    std::error_code none;
    if (!fs::exists(path_, none)) return results;
    const io::Archive archive = io::Archive::load(path_, "measurements");
    if (archive.text("fingerprint") != fingerprint_) {
      log::warn("{} belongs to another measurement; starting afresh", path_.string());
      return results;
    }
    for (const std::int64_t i : archive.integers("done")) results[i] = archive.doubles(fmt::format("m{}", i));
    log::info("continuing with {} measurements of {}", results.size(), path_.string());
    return results;
  }
  void save(const std::map<std::int64_t, Measurement>& results) const {
    io::Archive archive;
    archive.put("fingerprint", fingerprint_);
    std::vector<std::int64_t> done;
    for (const auto& [i, m] : results) {
      done.push_back(i);
      archive.put(fmt::format("m{}", i), std::span<const double>(m));
    }
    archive.put("done", std::span<const std::int64_t>(done));
    archive.save(path_, "measurements");
  }
  void remove() const {
    std::error_code none;
    fs::remove(path_, none);
  }

 private:
  fs::path path_;
  std::string fingerprint_;
};

/// Calls measure(i) for every i in 0..n on the ranks in turn; every rank gets all results. Collective.
template <class Measure>
std::map<std::int64_t, Measurement> measure_all(comm::Communicator& comm, std::int64_t n,
                                                const Partial& partial, const std::string& title,
                                                Measure measure) {
  constexpr double kSaveSeconds = 5;
  io::Archive known;
  if (comm.root())
    for (const auto& [i, m] : partial.load()) known.put(fmt::format("m{}", i), std::span<const double>(m));
  broadcast(comm, known);
  std::map<std::int64_t, Measurement> results;
  for (std::int64_t i = 0; i < n; ++i)
    if (const std::string key = fmt::format("m{}", i); known.has(key)) results[i] = known.doubles(key);
  Progress progress(title, n, comm.root());
  Timer since_save;
  double saved_at = 0;
  std::vector<std::int64_t> missing;
  for (std::int64_t i = 0; i < n; ++i)
    if (!results.contains(i)) missing.push_back(i);
  const auto ranks = static_cast<std::size_t>(comm.size());
  for (std::size_t first = 0; first < missing.size(); first += ranks) {
    const std::size_t mine = first + static_cast<std::size_t>(comm.rank());
    const Measurement own = mine < missing.size() ? measure(missing[mine]) : Measurement{};
    const auto gathered = comm.all_gather(std::as_bytes(std::span<const double>(own)));
    for (std::size_t r = 0; r < ranks && first + r < missing.size(); ++r) {
      Measurement m(gathered[r].size() / sizeof(double));
      std::memcpy(m.data(), gathered[r].data(), gathered[r].size());
      results[missing[first + r]] = std::move(m);
    }
    progress.update(static_cast<std::int64_t>(results.size()));
    const bool stop = comm.max(stop::stop_requested() ? 1 : 0) != 0;
    if (comm.root() && (stop || since_save.seconds() - saved_at > kSaveSeconds)) {
      partial.save(results);
      saved_at = since_save.seconds();
    }
    if (stop)
      throw StoppedEarly(fmt::format("{}: stopped ({}), measurements saved; run the same command to continue",
                                     title, stop::reason()));
  }
  progress.finish();
  return results;
}

fs::path partial_path(const fs::path& out) { return out.string() + ".partial"; }

std::map<std::string, std::string> provenance(const comm::Communicator& comm, const config::Config& config,
                                              const LutOptions& options) {
  const HostInfo host = host_info();
  return {
      {"host", host.name},
      {"cpu", host.cpu},
      {"instruction_set", host.isa},
      {"onednn_instruction_set", nn::onednn_isa()},
      {"library", "oneDNN " + nn::onednn_version()},
      {"apq", version()},
      {"ranks", std::to_string(comm.size())},
      {"threads", std::to_string(config.threads)},
      {"batch", std::to_string(options.batch)},
      {"repeats", fmt::format("{} rounds of {}", options.rounds, options.repeats)},
      {"statistic",
       "2nd percentile of the repeats of a round, least of the rounds; spread: upper minus lower quartile"},
      {"bits", "int8 rows serve 2 to 8 bits: this CPU computes 4 and 6 bits in 8-bit containers"},
      {"date", now()}};
}

/// Round after round over the covering networks in both precisions, so that each is measured at several
/// times.
hw::LayerTable measure_cpu(comm::Communicator& comm, const config::Config& config,
                           const space::SearchSpace& space, const LutOptions& options) {
  nn::set_threads(config.threads);
  nn::integer_self_test();
  check_cores(comm, config.threads);
  const std::vector<space::Genome> genomes = eval::covering_genomes(space);
  eval::LatencyMeter meter(space, options.batch, config.seed);
  const auto per_round = static_cast<std::int64_t>(2 * genomes.size());
  const auto genome_of = [&](std::int64_t i) -> const space::Genome& {
    return genomes[static_cast<std::size_t>(i % per_round / 2)];
  };
  const Partial partial(
      partial_path(options.out),
      fmt::format("{} batch {} threads {} rounds {} x {} {}", space.describe(), options.batch, config.threads,
                  options.rounds, options.repeats, host_info().cpu));
  const auto results =
      measure_all(comm, per_round * options.rounds, partial, "measuring layers", [&](std::int64_t i) {
        return flatten(meter.measure(genome_of(i), kPrecisions[i % 2], options.repeats));
      });

  hw::LayerTable table;
  table.device = "cpu";
  table.by_role = true;
  table.int8_containers = true;
  table.has_energy = false;
  table.provenance = provenance(comm, config, options);
  struct Samples {
    space::LayerSpec layer;
    std::vector<double> ms, spread;
  };
  for (const Precision precision : kPrecisions) {
    std::map<std::string, Samples> by_layer;
    std::vector<std::string> order;
    std::vector<double> ratios;
    for (std::int64_t n = static_cast<std::int64_t>(precision); n < per_round; n += 2) {
      Measurement best = results.at(n);
      for (int round = 1; round < options.rounds; ++round) {
        const Measurement& m = results.at(n + round * per_round);
        for (std::size_t i = 0; i < best.size(); ++i) best[i] = std::min(best[i], m[i]);
      }
      space::NetworkSpec layers = space.expand(genome_of(n));
      double sum = 0;
      for (std::size_t l = 0; l < layers.size(); ++l) {
        if (precision == Precision::fp32) layers[l].weight_bits = layers[l].activation_bits = hw::kFloatBits;
        Samples& samples = by_layer[layers[l].shape()];
        if (samples.ms.empty()) order.push_back(layers[l].shape());
        samples.layer = layers[l];
        samples.ms.push_back(best[2 + l]);
        samples.spread.push_back(best[2 + layers.size() + l]);
        sum += samples.ms.back();
      }
      ratios.push_back(best[0] / sum);
    }
    // Layers are fastest in different runs, a network in one; float layers run fused in a network, and
    // faster.
    const double together = median(ratios);
    table.provenance[precision == Precision::int8 ? "scale_int8" : "scale_fp32"] = fmt::format(
        "{:.4f} (layers times this: a network as a whole, median of {})", together, ratios.size());
    for (const std::string& shape : order) {
      const Samples& s = by_layer.at(shape);
      table.rows.push_back({s.layer,
                            {together * median(s.ms), std::numeric_limits<double>::quiet_NaN()},
                            median(s.spread),
                            options.repeats * options.rounds * static_cast<int>(s.ms.size())});
    }
  }
  if (comm.root()) partial.remove();
  return table;
}

/// What a cost model says of every layer that the space can reach.
hw::LayerTable tabulate(const config::Config& config, const space::SearchSpace& space) {
  const auto device = make_device(config);
  hw::LayerTable table;
  table.device = device->name();
  table.provenance = {{"model", device->describe()}, {"apq", version()}};
  std::set<std::string> shapes;
  for (const space::LayerSpec& l : hw::distinct_layers(space, hw::Counting::everything)) {
    const std::string shape = fmt::format("{} {} {} {} {} {} {} {}", l.cin, l.cout, l.size, l.kernel,
                                          l.stride, l.groups(), l.weight_bits, l.activation_bits);
    if (shapes.insert(shape).second) table.rows.push_back({l, device->layer(l), 0, 0});
  }
  return table;
}

}  // namespace

std::string build_table(comm::Communicator& comm, const config::Config& config, const LutOptions& options) {
  const space::SearchSpace space(config.space);
  const bool cpu = options.device == "cpu";
  validate(cpu || options.device == "bitfusion", ErrorKind::usage,
           "cannot build a table of device '{}' (known: cpu, bitfusion) use one of these", options.device);
  validate(options.format == "apq" || options.format == "public", ErrorKind::usage,
           "unknown table format '{}' (known: apq, public) use one of these", options.format);
  validate(!cpu || options.format == "apq", ErrorKind::usage,
           "the public format cannot hold a CPU's table (it has no place for roles and provenance) use apq");
  validate(options.repeats >= 8 && options.rounds >= 1 && options.batch >= 1, ErrorKind::usage,
           "repeats = {}, rounds = {}, batch = {} (8, 1 and 1 are the least) raise them", options.repeats,
           options.rounds, options.batch);
  hw::LayerTable table;
  if (cpu) {
    table = measure_cpu(comm, config, space, options);
  } else {
    config::Config modelled = config;
    modelled.hardware.device = options.device;
    table = tabulate(modelled, space);
  }
  if (!comm.root()) return "";
  io::write_atomically(options.out, options.format == "apq" ? table_json(table) : public_table_json(table));
  const auto floats =
      std::count_if(table.rows.begin(), table.rows.end(), [](auto& r) { return r.layer.weight_bits == 32; });
  std::string text =
      fmt::format("{}: {} layers of {}", options.out.string(), table.rows.size(), table.device);
  if (cpu)
    text += fmt::format(
        ", {} int8 and {} fp32\n4- and 6-bit values run in 8-bit containers on this CPU: they cost what 8 "
        "bits "
        "cost",
        table.rows.size() - static_cast<std::size_t>(floats), floats);
  return text + "\n";
}

std::string check_table(const fs::path& file, const config::Config* config) {
  if (config) {
    config::Config with_table = *config;
    with_table.hardware.device = "lut";
    with_table.hardware.table = file;
    const space::SearchSpace space(config->space);
    make_costs(with_table, space);
  }
  std::vector<std::string> problems;
  const hw::LayerTable table =
      parse_table(io::read_text(file, kMostTableBytes, ErrorKind::data), file.string(), problems);
  raise_table_problems(file, problems);
  std::string text = fmt::format("{}: {} layers of {}, {}\n", file.string(), table.rows.size(), table.device,
                                 table.has_energy ? "latency and energy" : "latency only");
  for (const auto& [name, value] : table.provenance) text += fmt::format("  {}: {}\n", name, value);
  if (config) text += "it covers every layer of the configuration's space\n";
  return text;
}

std::string validate_table(comm::Communicator& comm, const config::Config& given,
                           const ValidateOptions& options) {
  config::Config config = given;
  config.hardware.device = "lut";
  config.hardware.table = options.table;
  config.hardware.precision = options.precision;
  const Precision precision = options.precision == "fp32" ? Precision::fp32 : Precision::int8;
  validate(options.networks >= 3 && options.rounds >= 1 && options.repeats >= 8, ErrorKind::usage,
           "networks = {}, rounds = {}, repeats = {} (3, 1 and 8 are the least) raise them", options.networks,
           options.rounds, options.repeats);
  const space::SearchSpace space(config.space);
  const hw::CostModel costs = make_costs(config, space);
  nn::set_threads(config.threads);
  check_cores(comm, config.threads);
  std::vector<space::Genome> genomes;
  for (int i = 0; i < options.networks; ++i) {
    RandomStream random(config.seed, Purpose::random_search, static_cast<std::uint64_t>(i));
    genomes.push_back(space.canonical(space.sample(random)));
  }
  eval::LatencyMeter meter(space, options.batch, config.seed + 1);
  const Partial partial(
      partial_path(options.out / "validation.csv"),
      fmt::format("{} {} {} {} {} {} {}", space.describe(), options.precision, options.batch, options.rounds,
                  options.repeats, config.seed, host_info().cpu));
  if (comm.root()) fs::create_directories(options.out);
  const auto results = measure_all(comm, std::int64_t{options.networks} * options.rounds, partial,
                                   "measuring networks", [&](std::int64_t i) {
                                     const auto& genome =
                                         genomes[static_cast<std::size_t>(i % options.networks)];
                                     const auto t = meter.measure(genome, precision, options.repeats);
                                     return Measurement{t.total_ms, t.spread_ms};
                                   });
  if (!comm.root()) return "";
  io::CsvWriter csv({"network", "predicted_ms", "measured_ms", "spread_ms", "error_percent", "genome"});
  std::vector<double> predicted, measured, errors;
  for (int i = 0; i < options.networks; ++i) {
    Measurement best = results.at(i);
    for (int round = 1; round < options.rounds; ++round)
      best = std::min(best, results.at(i + std::int64_t{round} * options.networks));
    predicted.push_back(costs.cost(genomes[static_cast<std::size_t>(i)], hw::Metric::latency_ms));
    measured.push_back(best[0]);
    errors.push_back(100 * std::abs(predicted.back() / measured.back() - 1));
    csv.row({std::to_string(i), io::number(predicted.back()), io::number(measured.back()),
             io::number(best[1]), io::number(100 * (predicted.back() / measured.back() - 1)),
             space.to_text(genomes[static_cast<std::size_t>(i)])});
  }
  csv.save(options.out / "validation.csv");
  partial.remove();
  const auto quality = predictor::quality(predicted, measured);
  std::vector<double> sorted = errors;
  std::sort(sorted.begin(), sorted.end());
  return fmt::format(
      "{} random networks ({}, batch {}): predicted against measured latency\nSpearman {:.4f}\nmedian error "
      "{:.2f} "
      "%\n95th percentile {:.2f} %, largest {:.2f} %\nmeasured {:.4f} to {:.4f} ms\n",
      options.networks, options.precision, options.batch, quality.spearman, median(errors),
      sorted[static_cast<std::size_t>(0.95 * static_cast<double>(sorted.size() - 1) + 0.5)], sorted.back(),
      *std::min_element(measured.begin(), measured.end()),
      *std::max_element(measured.begin(), measured.end()));
}

}  // namespace apq::pipeline
