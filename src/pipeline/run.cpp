// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <cstring>

#include "apq/core/error.hpp"
#include "apq/core/fault.hpp"
#include "apq/core/hash.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/core/watchdog.hpp"
#include "apq/io/files.hpp"
#include "apq/io/manifest.hpp"
#include "apq/nn/integer.hpp"
#include "apq/nn/ops.hpp"
#include "apq/pipeline/pipeline.hpp"
#include "pipeline/binding.hpp"
#include "pipeline/context.hpp"
#include "pipeline/costs.hpp"
#include "pipeline/results.hpp"

namespace apq::pipeline {

namespace {

struct StageEntry {
  Stage stage;
  const char* name;
  void (*run)(Context&);
};
constexpr double kMbPerMib = 1.048576;
constexpr StageEntry kTable[] = {{Stage::supernet, "supernet", run_supernet},
                                 {Stage::collect, "collect", run_collect},
                                 {Stage::predictor, "predictor", run_predictor},
                                 {Stage::search, "search", run_search},
                                 {Stage::finetune, "finetune", run_finetune}};

const StageEntry& entry(Stage stage) {
  return *std::find_if(std::begin(kTable), std::end(kTable), [&](auto& e) { return e.stage == stage; });
}

/// Root only, before anything is written: a folder with somebody's files is no run folder.
void check_foreign(const fs::path& out) {
  if (!fs::exists(out) || fs::exists(out / "config.yaml") || !io::read_status(out).state.empty()) return;
  std::error_code error;
  for (const auto& file : fs::directory_iterator(out, error)) {
    // What a run leaves that was killed while it began: its lock, drafts of the lock and of the first file.
    const std::string name = file.path().filename();
    validate(
        name == "checkpoints" || name == "status.json.tmp" || name == "lock" || name.starts_with("lock."),
        ErrorKind::usage, "{} is not a run folder (it holds {}) choose an empty or new --out", out.string(),
        name);
  }
}

/// Root only, before anything is written.
void check_resumable(const fs::path& out) {
  std::error_code error;
  const bool exists = fs::exists(out, error);
  validate(
      exists && !fs::is_empty(out, error), ErrorKind::checkpoint,
      "nothing to resume in {} (the folder {}) start without --resume or name the run's folder with --out",
      out.string(), exists ? "is empty" : "does not exist");
}

/// Root only: may this run use the folder? False when all that is asked for is already done.
bool claim(const fs::path& out, const config::Config& config, const std::vector<Stage>& stages, bool resume) {
  const io::Status status = io::read_status(out);
  const fs::path stored = out / "config.yaml";
  if (fs::exists(stored)) {
    const auto before = config::fingerprint(config::load(stored)), now = config::fingerprint(config);
    validate(before == now, ErrorKind::checkpoint,
             "{} holds a run of another configuration (differing: {}) choose another --out or the same "
             "configuration",
             out.string(), differing_lines(before, now));
  }
  if (status.state == "done") {
    const auto records = read_stages(out);
    return !std::all_of(stages.begin(), stages.end(), [&](Stage stage) {
      return std::any_of(records.begin(), records.end(),
                         [&](const StageRecord& r) { return r.done && r.name == stage_name(stage); });
    });
  }
  validate((!fs::exists(stored) && status.state.empty()) || resume, ErrorKind::usage,
           "{} holds an unfinished run (state \"{}\") continue it with --resume or choose another --out",
           out.string(), status.state);
  return true;
}

}  // namespace

std::string differing_lines(const std::string& before, const std::string& now) {
  const auto lines = [](const std::string& text) {
    std::vector<std::string> list;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      list.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return list;
  };
  const auto a = lines(before), b = lines(now);
  std::string differing;
  for (const auto& line : b)
    if (std::find(a.begin(), a.end(), line) == a.end()) differing += (differing.empty() ? "" : ", ") + line;
  for (const auto& line : a)
    if (std::find(b.begin(), b.end(), line) == b.end())
      differing += (differing.empty() ? "was " : ", was ") + line;
  return differing;
}

const char* stage_name(Stage stage) { return entry(stage).name; }

std::vector<std::pair<std::string, std::string>> library_versions() {
  return {{"oneDNN", nn::onednn_version()}, {"kernels", nn::kernel_isa()}};
}

void check_alike(comm::Communicator& comm, const config::Config& config) {
  const std::string mine =
      fmt::format("configuration {}; {}", config::hash(config), config.mixed_nodes ? "" : maker());
  std::vector<std::string> all;
  for (const comm::Bytes& bytes : comm.all_gather(std::as_bytes(std::span(mine))))
    all.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (std::size_t r = 1; r < all.size(); ++r)
    validate(all[r] == all[0], ErrorKind::environment,
             "rank {} differs from rank 0 (\"{}\", not \"{}\") start all ranks with the same program, "
             "configuration "
             "and kind of CPU; mixed_nodes: true allows different CPUs, but then results depend on who "
             "computed what",
             r, all[r], all[0]);
}

io::Manifest make_manifest(const comm::Communicator& comm, const config::Config& config) {
  io::Manifest manifest;
  manifest.config_text = config::dump(config, false);
  manifest.config_hash = config::hash(config);
  manifest.seed = config.seed;
  manifest.ranks = comm.size();
  manifest.threads = config.threads;
  manifest.libraries["MPI"] = comm::library_version();
  for (const auto& [name, version] : library_versions()) manifest.libraries[name] = version;
  return manifest;
}

/// Ends this process when it or the whole run is stuck.
void start_watchdog(const comm::Communicator& comm, const config::Config& config, const fs::path& out) {
  const fs::path signs = out / "checkpoints" / "signs";
  if (std::error_code ignored; comm.root()) fs::remove_all(signs, ignored);
  watchdog::start(
      {.limit = config.watchdog_seconds,
       .rank = comm.rank(),
       .signs = comm.size() > 1 ? signs : fs::path{},
       .last_words = [out](const std::string& reason) {
         try {
           const io::Status last = io::read_status(out);
           if (last.state == "running")
             io::write_status(out, {"failed", static_cast<int>(ErrorKind::environment), reason, last.stage});
         } catch (const Error&) {  // the reason still goes to standard error
         }
       }});
}

void run(comm::Communicator& comm, const config::Config& config, const RunOptions& options) {
  nn::set_threads(config.threads);
  check_alike(comm, config);
  std::vector<Stage> stages = options.stages;
  if (stages.empty()) stages.assign(std::begin(kStages), std::end(kStages));
  bool fresh = true;
  std::unique_ptr<io::FolderLock> lock;
  if (comm.root()) {
    check_foreign(options.out);
    if (options.resume) check_resumable(options.out);
    lock = std::make_unique<io::FolderLock>(options.out);
    fresh = claim(options.out, config, stages, options.resume);
  }
  if (comm.max(fresh ? 1 : 0) == 0) {
    if (comm.root())
      log::info("{} is already finished; choose another --out to run again", options.out.string());
    return;
  }

  start_watchdog(comm, config, options.out);
  // What a user can get wrong in configuration and data fails here, with the folder still as it was.
  Context context(comm, config, options.out, options.from);
  context.pairs = options.pairs;
  if (comm.root()) {
    std::error_code error;
    fs::create_directories(options.out / "checkpoints", error);
    validate(!error, ErrorKind::io, "cannot create {} ({}) choose another --out",
             (options.out / "checkpoints").string(), error.message());
    io::write_status(options.out, {"running", 0, "", "start"});
  }
  log::setup({.rank = comm.rank(),
              .console = comm.root(),
              .file = comm.root() ? options.out / "log.txt" : fs::path{}});
  const Binding binding = gather_binding(comm, config.threads);
  if (comm.root()) {
    const HostInfo host = host_info();
    log::info("apq {}: run {} in {}, {} ranks x {} threads on {} ({}, {})", version(), config.name,
              options.out.string(), comm.size(), config.threads, host.name, host.cpu, host.isa);
    for (const std::string& line : binding.layout) log::info("{}", line);
    for (const std::string& line : binding.warnings) log::warn("{}", line);
    if (const double left = stop::job_seconds_left(); left > 0)
      log::info("the job's time limit: {:.0f} s until this run saves and stops", left);
    io::write_atomically(options.out / "config.yaml", config::dump(config, true));
    io::Manifest manifest = make_manifest(comm, config);
    manifest.hosts = binding.hosts;
    if (config.search.islands.asynchronous())
      manifest.reproducible = "no (islands are asynchronous: results depend on which rank was faster)";
    io::write_manifest(options.out, manifest);
    save_costs(config, context.space, context.costs, options.out);
    log::info("{}", nn::integer_self_test());
    log::info("space: 10^{:.1f} networks; data: {} training, {} validation images",
              context.space.log10_size(), context.data->train_count(), context.data->validation_count());
  }

  std::vector<StageRecord> records = comm.root() ? read_stages(options.out) : std::vector<StageRecord>{};
  for (const Stage stage : stages) {
    const std::string name = stage_name(stage);
    auto found = std::find_if(records.begin(), records.end(), [&](auto& r) { return r.name == name; });
    if (comm.max(found != records.end() && found->done ? 1 : 0) != 0) {
      if (comm.root()) log::info("{}: already done", name);
      continue;
    }
    if (comm.root()) {
      if (found == records.end()) found = records.insert(records.end(), StageRecord{.name = name});
      io::write_status(options.out, {"running", 0, "", name});
    }
    context.begin(name);
    Timer timer;
    const auto close = [&](bool done) {
      const double peak = std::round(peak_rss_mib() * kMbPerMib);
      std::vector<double> peaks;
      for (const comm::Bytes& bytes : comm.all_gather(std::as_bytes(std::span(&peak, 1))))
        std::memcpy(&peaks.emplace_back(), bytes.data(), sizeof(double));
      if (!comm.root()) return;
      context.write_journal();
      found->seconds += timer.seconds();
      found->peak_rss_mb = std::max(found->peak_rss_mb, *std::ranges::max_element(peaks));
      found->rank_peak_rss_mb = std::move(peaks);
      found->done = done;
      found->work = context.work;
      write_stages(options.out, records);
      fault::point("stage.done");
    };
    try {
      entry(stage).run(context);
    } catch (const StoppedEarly& stopped) {
      close(false);
      if (comm.root()) io::write_status(options.out, {"stopped", kExitStoppedEarly, stopped.what(), name});
      throw;
    }
    close(true);
    if (comm.root()) {
      context.checkpoints().remove_all();
      log::info("{}: done in {:.1f} s, peak memory {:.0f} MB a rank", name, found->seconds,
                found->peak_rss_mb);
      write_summary(context, records);
    }
  }
  if (comm.root()) {
    std::error_code ignored;
    fs::remove_all(options.out / "checkpoints" / "signs", ignored);
    io::write_status(options.out, {"done", 0, "", ""});
    log::flush();
  }
}

}  // namespace apq::pipeline
