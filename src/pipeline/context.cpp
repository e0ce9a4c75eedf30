// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/context.hpp"

#include <algorithm>
#include <cstdlib>

#include "apq/core/error.hpp"
#include "apq/core/fault.hpp"
#include "apq/core/hash.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/core/watchdog.hpp"
#include "apq/io/files.hpp"
#include "apq/pipeline/pipeline.hpp"
#include "pipeline/costs.hpp"

namespace apq::pipeline {

std::string maker() {
  std::string text = fmt::format("apq {} on {}", version(), host_info().isa);
  for (const auto& [name, number] : library_versions()) text += fmt::format(", {} {}", name, number);
  if (const char* isa = std::getenv("ONEDNN_MAX_CPU_ISA")) text += fmt::format(" limited to {}", isa);
  return text;
}

namespace {

/// All of an image set but its pixels.
io::Archive outline(const data::ImageSet& set) {
  io::Archive a;
  a.put("shape", std::vector<std::int64_t>{set.count, set.size, set.channels, set.classes});
  a.put("labels", std::vector<std::int64_t>(set.labels.begin(), set.labels.end()));
  for (std::size_t i = 0; i < set.class_names.size(); ++i)
    a.put(fmt::format("class {}", i), set.class_names[i]);
  return a;
}

data::ImageSet from_outline(const io::Archive& a) {
  data::ImageSet set;
  const auto shape = a.integers("shape"), labels = a.integers("labels");
  int i = 0;
  for (int* value : {&set.count, &set.size, &set.channels, &set.classes})
    *value = static_cast<int>(shape.at(static_cast<std::size_t>(i++)));
  for (const auto label : labels) set.labels.push_back(static_cast<std::int32_t>(label));
  for (i = 0; a.has(fmt::format("class {}", i)); ++i)
    set.class_names.push_back(a.text(fmt::format("class {}", i)));
  return set;
}

/// One rank of every node reads the images; the others of the node look at the same memory.
std::unique_ptr<data::Dataset> read_data(comm::Communicator& comm, const config::Config& config) {
  if (comm.node_size() == 1)
    return std::make_unique<data::Dataset>(data::read_train(config.data), config.data, config.seed);
  data::ImageSet set;
  std::vector<std::byte> frame;
  const auto outlined = comm.share([&] {
    set = data::read_train(config.data);
    frame = outline(set).to_frame("images");
    return std::span<const std::byte>(frame);
  });
  const auto shared = comm.share([&] { return std::as_bytes(std::span(set.pixels)); });
  return std::make_unique<data::Dataset>(
      from_outline(io::Archive::from_frame(outlined, "images", "images read by another rank")),
      std::span(reinterpret_cast<const std::uint8_t*>(shared.data()), shared.size()), config.data,
      config.seed);
}

std::string fingerprint_of(const Context& c) {
  const std::string program = version();
  std::string text = fmt::format("{}data.hash={}\nversion={}\n", config::fingerprint(c.config),
                                 hex(c.data->hash()), program.substr(0, program.find('+')));
  if (c.config.hardware.device == "lut") text += "hardware.table=" + c.costs.device().describe() + "\n";
  return text;
}

}  // namespace

Context::Context(comm::Communicator& comm, const config::Config& config, fs::path out, fs::path from)
    : comm(comm),
      config(config),
      out(std::move(out)),
      from(std::move(from)),
      space(config.space),
      costs(make_costs(config, space, this->out)) {
  budgets = make_budgets(config, costs);
  validate(
      !budgets.empty(), ErrorKind::usage,
      "no budget given (budgets is empty) add for instance: budgets: [{{metric: latency_ms, limit: 1}}]");
  data = read_data(comm, config);
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
  fingerprint = fingerprint_of(*this);
}

Context::Context(const Context& other, const config::Config& config, fs::path out)
    : comm(other.comm),
      config(config),
      out(std::move(out)),
      from(other.from),
      space(config.space),
      costs(make_costs(config, space, other.out)),
      budgets(other.budgets),
      data(other.data),
      fingerprint(fingerprint_of(*this)) {}

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

void Context::save(std::int64_t sequence, io::Archive state) {
  fault::point("checkpoint.begin");
  state.put("journal", journal_);
  state.put("made by", maker());
  auto store = checkpoints();
  try {
    store.save(sequence, state);
    failed_save_.clear();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::io || !store.any()) throw;
    failed_save_ = error.what();
    log::warn("{}; the one before it is kept, the next is tried in {:g} s", failed_save_,
              config.checkpoint_seconds);
  }
}

void Context::note_quietly(const std::string& line) { journal_ += line + "\n"; }

void Context::note(const std::string& line) {
  note_quietly(line);
  log::info("{}", line);
}

void Context::write_journal() const {
  const fs::path folder = out / "journal";
  std::error_code error;
  fs::create_directories(folder, error);
  validate(!error, ErrorKind::io, "cannot create {} ({})", folder.string(), error.message());
  io::write_atomically(folder / (stage + ".txt"), journal_);
}

void Context::begin(const std::string& name) {
  fault::point("stage.begin");
  stage = name;
  work.clear();
  journal_.clear();
  watchdog::set_phase("stage " + name);
}

std::optional<io::Archive> Context::restore() {
  std::optional<io::CheckpointStore::Found> found;
  if (comm.root()) found = checkpoints().newest();
  if (comm.max(found ? 1 : 0) == 0) return std::nullopt;
  io::Archive archive = found ? found->archive : io::Archive{};
  broadcast(comm, archive);
  journal_ = archive.text("journal");
  if (comm.root()) {
    log::info("{}: continuing from checkpoint {}", stage, found->sequence);
    if (const std::string made_by = archive.text("made by"); made_by != maker())
      log::warn("{}: the checkpoint was made by {}, this is {}: results may differ in the last digits", stage,
                made_by, maker());
  }
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

bool Context::checkpoint_due_here() {
  const bool due = stop::take_checkpoint_request() ||
                   since_checkpoint_.seconds() - last_checkpoint_ > config.checkpoint_seconds;
  if (due) last_checkpoint_ = since_checkpoint_.seconds();
  return due;
}

bool Context::checkpoint_due() { return comm.max(comm.root() && checkpoint_due_here() ? 1 : 0) != 0; }

void Context::stop_early() const {
  validate(failed_save_.empty(), ErrorKind::io,
           "{}: stopped ({}) without a last checkpoint: {} make room, then --resume goes on from the one "
           "before it",
           stage, stop::reason(), failed_save_);
  throw StoppedEarly(
      fmt::format("{}: stopped ({}), state saved; continue with --resume", stage, stop::reason()));
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
