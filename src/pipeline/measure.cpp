// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/measure.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <sstream>

#include "apq/core/error.hpp"
#include "apq/core/fault.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/core/watchdog.hpp"

namespace apq::pipeline {

namespace {

constexpr std::int64_t kMostFailed = 5;  ///< one in so many
constexpr double kFailed = std::numeric_limits<double>::quiet_NaN();

/// Root: logs the lines of all ranks; returns the first. Collective.
std::string log_failures(Context& context, const std::string& lines) {
  std::string first;
  for (const comm::Bytes& bytes : context.comm.all_gather(std::as_bytes(std::span(lines)))) {
    std::istringstream in(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    for (std::string line; std::getline(in, line);) {
      if (first.empty()) first = line;
      if (context.comm.root()) log::warn("failed: {}", line);
    }
  }
  return first;
}

/// One network that cannot be trained must not end a run; many mean that the options are wrong.
void check_failures(const std::map<std::int64_t, double>& results, const std::string& title,
                    const std::string& reason) {
  const auto failed = std::ranges::count_if(results, [](const auto& r) { return std::isnan(r.second); });
  const auto all = static_cast<std::int64_t>(results.size());
  validate(failed * kMostFailed <= all, ErrorKind::numeric,
           "{}: {} of {} networks failed (more than {} %; {}) change the options of their training in "
           "another run folder",
           title, failed, all, 100 / kMostFailed, reason.empty() ? "log.txt says why" : reason);
}

}  // namespace

void measure(Context& context, const std::vector<space::Genome>& genomes,
             std::map<std::int64_t, double>& results, const std::string& title,
             const std::function<double(const space::Genome&, const comm::Beat&)>& compute,
             const std::function<void()>& save) {
  watchdog::set_phase("stage " + context.stage + ", " + title);
  const auto n = static_cast<std::int64_t>(genomes.size());
  std::vector<std::int64_t> missing;
  for (std::int64_t i = 0; i < n; ++i)
    if (!results.contains(i)) missing.push_back(i);
  std::vector<double> work;
  for (const auto& genome : genomes) work.push_back(context.costs.cost(genome, hw::Metric::bitops_g));
  std::ranges::stable_sort(missing, std::greater{},
                           [&](std::int64_t i) { return work[static_cast<std::size_t>(i)]; });

  Progress progress(title, n, context.comm.root());
  progress.update(static_cast<std::int64_t>(results.size()));
  std::array<double, 2> busy{};  // items and seconds
  std::string failures;          // of this rank, one a line
  const auto compute_one = [&](std::int64_t i, const comm::Beat& beat) {
    const Timer timer;
    const space::Genome& genome = genomes[static_cast<std::size_t>(i)];
    double accuracy = kFailed;
    try {
      fault::point("evaluation");
      accuracy = compute(genome, beat);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::numeric) throw;
      failures += fmt::format("{}: {}\n", context.space.to_text(genome), error.what());
    }
    busy[0] += 1;
    busy[1] += timer.seconds();
    return accuracy;
  };
  const auto keep = [&](std::int64_t i, double value) {
    results[i] = value;
    progress.update(static_cast<std::int64_t>(results.size()));
    if (context.comm.root() && context.checkpoint_due_here()) save();
  };
  comm::distribute(context.comm, missing, compute_one, keep, stop::stop_requested);
  context.comm.sum(std::span<double>(busy));
  context.work["items"] += busy[0];
  context.work["item_seconds"] += busy[1];
  const std::string reason = log_failures(context, failures);
  const bool stop = context.stop_agreed();
  if (context.comm.root() && !missing.empty()) save();
  if (stop) context.stop_early();
  progress.finish();
  check_failures(results, title, reason);
  watchdog::set_phase("stage " + context.stage);
}

}  // namespace apq::pipeline
