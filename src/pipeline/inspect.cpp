// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apq/core/error.hpp"
#include "apq/io/files.hpp"
#include "apq/nn/ops.hpp"
#include "apq/pipeline/pipeline.hpp"
#include "pipeline/artifacts.hpp"
#include "pipeline/context.hpp"
#include "pipeline/costs.hpp"
#include "pipeline/results.hpp"

namespace apq::pipeline {

namespace {

/// Largest activations of one training step, MiB: every layer keeps its result before and after
/// normalisation.
double training_mib(const space::SearchSpace& space, const supernet::TrainOptions& options) {
  double values = 0, widest = 0;
  for (const auto& l : space.expand(space.largest())) {
    const double n = static_cast<double>(options.batch) * l.size_out() * l.size_out() * l.cout;
    values += 2 * n;
    widest = std::max(widest, n);
  }
  return (values + 3 * widest) * (options.precision == "bf16" ? 2 : 4) / (1 << 20);
}

}  // namespace

std::string check(const config::Config& config) {
  const auto comm = comm::make_serial();
  const Context c(*comm, config, {}, {});
  std::string text = fmt::format(
      "configuration {} (hash {}) is valid\nspace: {} blocks in {} stages, 10^{:.1f} networks, encoding {} + "
      "{} slots\n"
      "data: {} training and {} validation images of {}x{}x{}, {} classes\n",
      config.name, config::hash(config), c.space.blocks().size(), c.space.stages(), c.space.log10_size(),
      c.space.architecture_slots(), c.space.bit_slots(), c.data->train_count(), c.data->validation_count(),
      c.data->size(), c.data->size(), c.data->channels(), c.data->classes());
  text += fmt::format("reachable on {}:\n", c.costs.device().name());
  for (int m = 0; m < hw::kMetrics; ++m) {
    const auto metric = static_cast<hw::Metric>(m);
    const double least = c.costs.smallest(metric).value;
    text += std::isnan(least) ? fmt::format("  {:14} {:>12}\n", hw::metric_name(metric), "unknown")
                              : fmt::format("  {:14} {:12.6g} to {:.6g}\n", hw::metric_name(metric), least,
                                            c.costs.largest(metric).value);
  }
  text += "budgets:\n";
  for (std::size_t i = 0; i < c.budgets.size(); ++i) {
    text += fmt::format("  {} is reachable\n", c.budgets[i].name);
    if (c.budgets[i].also.empty()) continue;
    const hw::Cost cost = c.costs.cost(c.budgets[i].smallest);
    text += "    by a network of";
    const auto figure = [&](int metric) {
      const auto m = static_cast<hw::Metric>(metric);
      text += fmt::format(" {} {:.6g}", hw::metric_name(m), cost[m]);
    };
    figure(c.budgets[i].metric);
    for (const auto& bound : c.budgets[i].also) figure(bound.metric);
    text += "\n";
  }
  const auto spec = c.space.expand(c.space.largest());
  double macs = 0;
  for (const auto& l : spec) macs += static_cast<double>(l.macs());
  const double images = static_cast<double>(c.data->train_count() + c.data->validation_count());
  text += fmt::format(
      "largest network: {:.2f} MMAC\nmemory a rank: about {:.0f} MiB\n", macs / 1e6,
      training_mib(c.space, config.supernet) +
          images * static_cast<double>(c.data->size() * c.data->size() * c.data->channels()) / (1 << 20) +
          150);
  return text;
}

std::string cost_table(const config::Config& config, const std::string& genome_text, bool breakdown) {
  const space::SearchSpace space(config.space);
  const hw::CostModel costs = make_costs(config, space);
  const space::Genome genome = space.from_text(genome_text);
  const hw::Cost total = costs.cost(genome);
  std::string text;
  for (int m = 0; m < hw::kMetrics; ++m)
    text += fmt::format("{} {}\n", hw::metric_name(static_cast<hw::Metric>(m)),
                        io::number(total.values[static_cast<std::size_t>(m)]));
  if (!breakdown) return text;
  text += fmt::format("\n{:24} {:>5} {:>5} {:>4} {:>3} {:>7} {:>12} {:>7} {:>12}\n", "layer", "cin", "cout",
                      "size", "k", "bits", "latency_ms", "share", "energy_mj");
  for (const LayerCost& l : cost_breakdown(config, genome_text))
    text += fmt::format("{:24} {:5} {:5} {:4} {:3} {:>7} {:12.6f} {:6.1f}% {:12.6f}{}\n", l.layer.name(),
                        l.layer.cin, l.layer.cout, l.layer.size, l.layer.kernel,
                        fmt::format("W{}A{}", l.layer.weight_bits, l.layer.activation_bits), l.latency_ms,
                        l.counted ? 100 * l.latency_ms / total[hw::Metric::latency_ms] : 0, l.energy_mj,
                        l.counted ? "" : "  not counted");
  if (const double besides = costs.device().network().latency_ms; besides > 0)
    text += fmt::format("{:24} {:>40.6f} {:6.1f}%\n", "besides layers", besides,
                        100 * besides / total[hw::Metric::latency_ms]);
  return text;
}

std::vector<LayerCost> cost_breakdown(const config::Config& config, const std::string& genome_text) {
  const space::SearchSpace space(config.space);
  const auto device = make_device(config);
  const hw::Counting counting =
      config.hardware.counting == "apq" ? hw::Counting::apq : hw::Counting::everything;
  std::vector<LayerCost> rows;
  for (const auto& l : space.expand(space.from_text(genome_text))) {
    const bool counted = hw::counted(l, counting);
    if (!counted && !device->knows(l)) continue;
    const auto cost = device->layer(l);
    rows.push_back({l, cost.latency_ms, cost.energy_mj, counted});
  }
  return rows;
}

std::string cost_layers(const config::Config& config, const std::string& csv, const std::string& origin) {
  constexpr std::array<const char*, 8> kColumns{"cin",    "cout",   "size",  "kernel",
                                                "stride", "groups", "wbits", "abits"};
  constexpr std::array<int, 8> kMost{1 << 20, 1 << 20, 1 << 14, 63, 16, 1 << 20, 8, 8};
  const io::CsvTable table = io::parse_csv(csv, origin);
  std::array<std::size_t, kColumns.size()> at{};
  for (std::size_t i = 0; i < at.size(); ++i) at[i] = table.column(kColumns[i]);
  const auto device = make_device(config);
  std::vector<std::string> header = table.header, problems;
  for (const char* name : {"latency_ms", "energy_mj"}) header.emplace_back(name);
  io::CsvWriter out(header);
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    std::array<int, kColumns.size()> v{};
    bool ok = true;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const std::string& text = table.rows[r][at[i]];
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v[i]);
      const int least = i >= 6 ? 2 : 1;
      if (error == std::errc{} && end == text.data() + text.size() && v[i] >= least && v[i] <= kMost[i])
        continue;
      ok = false;
      problems.push_back(fmt::format("line {}: {} is \"{}\" (a whole number of {} to {} is needed)", r + 2,
                                     kColumns[i], text, least, kMost[i]));
    }
    if (!ok) continue;
    const auto [cin, cout, size, kernel, stride, groups, weight_bits, activation_bits] = v;
    if (groups != 1 && (groups != cin || cin != cout)) {
      problems.push_back(
          fmt::format("line {}: groups is {} (1, or cin = cout of a depthwise layer)", r + 2, groups));
      continue;
    }
    if (kernel % 2 == 0) {
      problems.push_back(
          fmt::format("line {}: kernel is {} (an odd one is needed: padding is kernel / 2)", r + 2, kernel));
      continue;
    }
    space::LayerSpec l;
    constexpr int kImageChannels = 4;  // a convolution of an image runs unrolled
    const bool depthwise = groups > 1 || (cin == 1 && cout == 1);
    l.kind = depthwise    ? space::LayerKind::depthwise
             : kernel > 1 ? space::LayerKind::dense
                          : space::LayerKind::pointwise;
    l.role = depthwise                             ? space::LayerRole::depthwise
             : kernel > 1 && cin <= kImageChannels ? space::LayerRole::stem
                                                   : space::LayerRole::expand;
    l.cin = cin;
    l.cout = cout;
    l.size = size;
    l.kernel = kernel;
    l.stride = stride;
    l.weight_bits = weight_bits;
    l.activation_bits = activation_bits;
    try {
      const auto cost = device->layer(l);
      std::vector<std::string> row = table.rows[r];
      row.push_back(io::number(cost.latency_ms));
      row.push_back(io::number(cost.energy_mj));
      out.row(row);
    } catch (const Error& e) {
      problems.push_back(fmt::format("line {}: {}", r + 2, e.what()));
    }
  }
  validate(problems.empty(), ErrorKind::data, "{} cannot be costed ({} problems) mend these:\n  {}", origin,
           problems.size(), fmt::join(problems, "\n  "));
  return out.text();
}

std::string evaluate(const fs::path& run_folder, const std::string& network) {
  validate(fs::exists(run_folder / "config.yaml") && fs::exists(run_folder / "networks.json"),
           ErrorKind::data,
           "{} holds no finished run (config.yaml or networks.json is missing) finish the run first",
           run_folder.string());
  const config::Config config = config::load(run_folder / "config.yaml");
  nn::set_threads(config.threads);
  nn::integer_self_test();
  const data::Dataset data(data::read_train(config.data), config.data, config.seed);
  const data::ImageSet test = data::read_test(config.data);
  const auto list =
      nlohmann::ordered_json::parse(io::read_text(run_folder / "networks.json"), nullptr, false);
  validate(list.is_array(), ErrorKind::data, "{} is damaged (no list) run 'apq finetune' again",
           (run_folder / "networks.json").string());
  std::string text, names;
  for (const auto& n : list) {
    const std::string file = n.value("file", "");
    names += (names.empty() ? "" : ", ") + file;
    if (!network.empty() && network != file && network != fs::path(file).stem()) continue;
    const auto integer = network_from(io::Archive::load(run_folder / file, "network"));
    const double accuracy = test_accuracy(integer, data, test);
    text += fmt::format("{} {}<={}: test {} ({:.2f} %)\n", file, n["budget"].value("metric", ""),
                        io::number(n["budget"].value("limit", 0.0)), io::number(accuracy), 100 * accuracy);
  }
  validate(!text.empty(), ErrorKind::usage, "no network {} in {} (there are: {})", network,
           run_folder.string(), names);
  return text;
}

}  // namespace apq::pipeline
