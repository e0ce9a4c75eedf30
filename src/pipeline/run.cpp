// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <span>
#include <thread>

#include "apq/core/error.hpp"
#include "apq/core/hash.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/io/files.hpp"
#include "apq/io/manifest.hpp"
#include "apq/nn/integer.hpp"
#include "apq/nn/ops.hpp"
#include "apq/pipeline/pipeline.hpp"
#include "pipeline/context.hpp"
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
  for (const auto& file : fs::directory_iterator(out, error))
    validate(file.path().filename() == "checkpoints" || file.path().filename() == "lock", ErrorKind::usage,
             "{} is not a run folder (it holds {}) choose an empty or new --out", out.string(),
             file.path().filename().string());
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

void run(comm::Communicator& comm, const config::Config& config, const RunOptions& options) {
  nn::set_threads(config.threads);
  std::vector<Stage> stages = options.stages;
  if (stages.empty()) stages.assign(std::begin(kStages), std::end(kStages));
  bool fresh = true;
  std::unique_ptr<io::FolderLock> lock;
  if (comm.root()) {
    check_foreign(options.out);
    lock = std::make_unique<io::FolderLock>(options.out);
    fresh = claim(options.out, config, stages, options.resume);
  }
  if (comm.max(fresh ? 1 : 0) == 0) {
    if (comm.root())
      log::info("{} is already finished; choose another --out to run again", options.out.string());
    return;
  }

  // What a user can get wrong in configuration and data fails here, with the folder still as it was.
  Context context(comm, config, options.out, options.from);
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
  const HostInfo host = host_info();
  const auto hosts = comm.all_gather(std::as_bytes(std::span(host.name)));
  if (comm.root()) {
    const auto here = std::count(hosts.begin(), hosts.end(), hosts.front());
    log::info("apq {}: run {} in {}, {} ranks x {} threads on {} ({}, {})", version(), config.name,
              options.out.string(), comm.size(), config.threads, host.name, host.cpu, host.isa);
    const auto cores = std::max<std::int64_t>(std::thread::hardware_concurrency(), host.cores);
    if (config.threads > host.cores || here * config.threads > cores)
      log::warn("{} ranks x {} threads on {}, but {} cores to run on: expect it to be slower than with fewer",
                here, config.threads, host.name, config.threads > host.cores ? host.cores : cores);
    io::write_atomically(options.out / "config.yaml", config::dump(config, true));
    io::Manifest manifest{.config_text = config::dump(config, false),
                          .config_hash = config::hash(config),
                          .seed = config.seed,
                          .ranks = comm.size(),
                          .threads = config.threads,
                          .libraries = {}};
    if (config.search.islands.asynchronous())
      manifest.reproducible = "no (islands are asynchronous: results depend on which rank was faster)";
    manifest.libraries["MPI"] = comm::library_version();
    for (const auto& [name, version] : library_versions()) manifest.libraries[name] = version;
    io::write_manifest(options.out, manifest);
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
      if (found == records.end()) found = records.insert(records.end(), {name, 0, 0, false});
      io::write_status(options.out, {"running", 0, "", name});
    }
    context.stage = name;
    Timer timer;
    const auto close = [&](bool done) {
      const auto peak = comm.max(std::llround(peak_rss_mib() * kMbPerMib));
      if (!comm.root()) return;
      found->seconds += timer.seconds();
      found->peak_rss_mb = std::max(found->peak_rss_mb, static_cast<double>(peak));
      found->done = done;
      write_stages(options.out, records);
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
    io::write_status(options.out, {"done", 0, "", ""});
    log::flush();
  }
}

}  // namespace apq::pipeline
