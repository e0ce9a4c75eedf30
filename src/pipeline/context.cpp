// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/context.hpp"

#include <algorithm>
#include <cstring>
#include <sstream>

#include "apq/core/error.hpp"
#include "apq/core/hash.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"

namespace apq::pipeline {

std::shared_ptr<const hw::Device> make_device(const config::Config& config) {
  if (config.hardware.device == "bitfusion")
    return std::make_shared<hw::BitFusion>(config.hardware.bitfusion);
  return hw::device_from_name(config.hardware.device);
}

hw::CostModel make_costs(const config::Config& config, const space::SearchSpace& space) {
  return {space, make_device(config),
          config.hardware.counting == "apq" ? hw::Counting::apq : hw::Counting::everything};
}

Context::Context(comm::Communicator& comm, const config::Config& config, fs::path out, fs::path from)
    : comm(comm),
      config(config),
      out(std::move(out)),
      from(std::move(from)),
      space(config.space),
      costs(make_costs(config, space)) {
  make_budgets(config, costs, budgets, smallest);
  validate(
      !budgets.empty(), ErrorKind::usage,
      "no budget given (budgets is empty) add for instance: budgets: [{{metric: latency_ms, limit: 1}}]");
  data = std::make_unique<data::Dataset>(data::read_train(config.data), config.data, config.seed);
  const auto& s = config.space;
  validate(
      data->size() == s.input_size && data->channels() == s.input_channels && data->classes() == s.classes,
      ErrorKind::usage,
      "the data do not fit the space (images are {0}x{0}x{1} of {2} classes, the space expects {3}x{3}x{4} "
      "of "
      "{5}) set space.input_size, space.input_channels and space.classes",
      data->size(), data->channels(), data->classes(), s.input_size, s.input_channels, s.classes);
  for (const auto& [key, batch] : {std::pair{"supernet.batch", config.supernet.batch},
                                   {"pairs.qat.batch", config.pairs.qat.batch},
                                   {"finetune.qat.batch", config.finetune.qat.batch}})
    validate(batch <= data->train_count(), ErrorKind::usage,
             "{} is {} (there are {} training images) choose a smaller one", key, batch, data->train_count());
  fingerprint = config::fingerprint(config) + "data.hash=" + hex(data->hash()) + "\n";
}

namespace {

/// Throws Error(usage) when no network meets it.
void add_budget(const config::Config& config, const hw::CostModel& costs, const config::BudgetOptions& b,
                std::vector<search::Budget>& budgets, std::vector<space::Genome>& smallest) {
  const hw::Metric metric = hw::metric_from_name(b.metric);
  search::Budget budget{static_cast<int>(metric), b.limit, fmt::format("{}<={}", b.metric, b.limit)};
  std::vector<hw::Bound> bounds{{metric, b.limit}};
  for (const auto& also : b.also) {
    bounds.push_back({hw::metric_from_name(also.metric), also.limit});
    budget.also.push_back({static_cast<int>(bounds.back().metric), also.limit});
    budget.name += fmt::format(" and {}<={}", also.metric, also.limit);
  }
  for (const hw::Bound& bound : bounds) {
    const double least = costs.smallest(bound.metric).value;
    validate(least <= bound.limit, ErrorKind::usage,
             "budget {} <= {} cannot be met (the smallest network of this space needs {:.6g}) raise the "
             "limit or widen the space",
             hw::metric_name(bound.metric), bound.limit, least);
  }
  const auto reachable = costs.smallest(metric, bounds);
  validate(reachable.has_value(), ErrorKind::usage,
           "budget {} cannot be met (each limit can, but no network was found that meets all) raise one",
           budget.name);
  budget.floor = reachable->value;
  for (const auto& other : config.budgets)
    if (other.metric == b.metric && other.limit < b.limit) budget.floor = std::max(budget.floor, other.limit);
  budgets.push_back(std::move(budget));
  smallest.push_back(reachable->genome);
}

}  // namespace

void make_budgets(const config::Config& config, const hw::CostModel& costs,
                  std::vector<search::Budget>& budgets, std::vector<space::Genome>& smallest) {
  for (const auto& b : config.budgets) add_budget(config, costs, b, budgets, smallest);
}

search::EvolutionOptions make_evolution(const config::SearchOptions& options) {
  search::EvolutionOptions evolution = options.evolution;
  std::istringstream names(options.objectives);
  for (std::string name; names >> name;)
    if (name != "budget") evolution.objectives.push_back(static_cast<int>(hw::metric_from_name(name)));
  return evolution;
}

fs::path Context::artifact(const std::string& name, const std::string& made_by) const {
  for (const fs::path& folder : {out, from})
    if (!folder.empty() && fs::exists(folder / name)) return folder / name;
  fail(ErrorKind::data,
       "{} is missing (neither in {} nor in {}) run 'apq {}' first or name its run with --from", name,
       out.string(), from.empty() ? out.string() : from.string(), made_by);
}

void broadcast(comm::Communicator& comm, io::Archive& archive) {
  comm::Bytes bytes;
  if (comm.root()) bytes = archive.to_frame("message");
  comm.broadcast(bytes);
  if (!comm.root()) archive = io::Archive::from_frame(bytes, "message", "message from rank 0");
}

std::optional<io::Archive> Context::restore() const {
  std::optional<io::CheckpointStore::Found> found;
  if (comm.root()) found = checkpoints().newest();
  if (comm.max(found ? 1 : 0) == 0) return std::nullopt;
  io::Archive archive = found ? found->archive : io::Archive{};
  broadcast(comm, archive);
  if (comm.root()) log::info("{}: continuing from checkpoint {}", stage, found->sequence);
  return archive;
}

void Context::same_ranks(const io::Archive& checkpoint) const {
  const std::int64_t ranks = checkpoint.integer("ranks");
  validate(
      ranks == comm.size(), ErrorKind::checkpoint,
      "the {} checkpoint was written by {} ranks (these are {}; training depends on their number) continue "
      "with {} ranks, or start afresh in another folder",
      stage, ranks, comm.size(), ranks);
}

bool Context::stop_agreed() const { return comm.max(stop::stop_requested() ? 1 : 0) != 0; }

bool Context::checkpoint_due() {
  const bool due =
      comm.root() && (stop::take_checkpoint_request() ||
                      since_checkpoint_.seconds() - last_checkpoint_ > config.checkpoint_seconds);
  if (comm.max(due ? 1 : 0) == 0) return false;
  last_checkpoint_ = since_checkpoint_.seconds();
  return true;
}

void Context::stop_early() const {
  throw StoppedEarly(
      fmt::format("{}: stopped ({}), state saved; continue with --resume", stage, stop::reason()));
}

void distribute(Context& context, std::int64_t n, std::map<std::int64_t, double>& results,
                const std::string& title, const std::function<double(std::int64_t)>& compute,
                const std::function<void()>& save) {
  auto& comm = context.comm;
  std::vector<std::int64_t> missing;
  for (std::int64_t i = 0; i < n; ++i)
    if (!results.contains(i)) missing.push_back(i);
  Progress progress(title, n, comm.root());
  progress.update(n - static_cast<std::int64_t>(missing.size()));
  const std::int64_t round = 16 * comm.size();
  for (std::size_t first = 0; first < missing.size(); first += static_cast<std::size_t>(round)) {
    const std::int64_t count =
        std::min<std::int64_t>(round, static_cast<std::int64_t>(missing.size() - first));
    std::vector<double> mine;
    comm.reset_counter();
    for (std::int64_t k = comm.fetch_add(); k < count && !stop::stop_requested(); k = comm.fetch_add()) {
      const std::int64_t index = missing[first + static_cast<std::size_t>(k)];
      mine.push_back(static_cast<double>(index));
      mine.push_back(compute(index));
      progress.update(n - static_cast<std::int64_t>(missing.size() - first) + k + 1);
    }
    for (const comm::Bytes& bytes : comm.all_gather(std::as_bytes(std::span<const double>(mine)))) {
      std::vector<double> values(bytes.size() / sizeof(double));
      std::memcpy(values.data(), bytes.data(), bytes.size());
      for (std::size_t i = 0; i + 1 < values.size(); i += 2)
        results[static_cast<std::int64_t>(values[i])] = values[i + 1];
    }
    progress.update(static_cast<std::int64_t>(results.size()));
    if (comm.root()) save();
    if (context.stop_agreed()) context.stop_early();
  }
  progress.finish();
}

std::unique_ptr<supernet::Supernet> load_supernet(const Context& context) {
  io::Archive archive;
  if (context.comm.root())
    archive = io::Archive::load(context.artifact("supernet.ckpt", "supernet"), "supernet");
  broadcast(context.comm, archive);
  validate(
      archive.text("space") == context.space.describe(), ErrorKind::checkpoint,
      "supernet.ckpt belongs to another search space (its space is \"{}\", this configuration's is \"{}\") "
      "train it again or use its configuration",
      archive.text("space"), context.space.describe());
  validate(
      archive.text("data") == hex(context.data->hash()), ErrorKind::checkpoint,
      "supernet.ckpt was trained on another data set or split (data.* or seed differ, so that its training "
      "images may be validation images here) use its data options and seed");
  auto net = std::make_unique<supernet::Supernet>(context.space, context.config.seed);
  const auto values = archive.floats("values");
  validate(values.size() == net->values().size(), ErrorKind::checkpoint,
           "supernet.ckpt does not fit (it holds {} values, the space needs {}) train it again",
           values.size(), net->values().size());
  std::copy(values.begin(), values.end(), net->values().begin());
  return net;
}

}  // namespace apq::pipeline
