// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/comm/distribute.hpp"

#include <array>
#include <cstring>
#include <utility>

#include "apq/core/error.hpp"
#include "apq/core/watchdog.hpp"

namespace apq::comm {
namespace {

constexpr int kTag = 900;

struct Abandoned {};

/// What a rank tells the root: a result, or that it takes no more items.
struct Report {
  std::int64_t item = -1;
  double value = 0;
};

Report read(std::span<const std::byte> bytes) {
  Report report;
  APQ_ASSERT(bytes.size() == sizeof(report));
  std::memcpy(&report, bytes.data(), sizeof(report));
  return report;
}

}  // namespace

void distribute(Communicator& comm, const std::vector<std::int64_t>& items,
                const std::function<double(std::int64_t, const Beat&)>& compute,
                const std::function<void(std::int64_t, double)>& keep, const std::function<bool()>& stop) {
  const auto count = static_cast<std::int64_t>(items.size());
  std::vector<Report> results;  // on the root
  int working = comm.size() - 1;
  const auto accept = [&](const Report& report) {
    if (report.item < 0) {
      --working;
      return;
    }
    results.push_back(report);
    keep(report.item, report.value);
  };
  const auto collect = [&] {
    while (const auto message = comm.try_receive(kTag)) accept(read(message->bytes));
  };
  const auto tell = [&](const Report& report) {
    if (comm.root())
      accept(report);
    else
      comm.send(std::as_bytes(std::span(&report, 1)), 0, kTag);
  };
  // Asking for messages is also what lets MPI serve the counter to other nodes.
  const Beat beat = [&] {
    heartbeat();
    if (comm.root()) collect();
    if (stop()) throw Abandoned();
  };
  const auto take_all = [&] { comm.fetch_add(count); };  // leaves the others nothing to begin

  comm.reset_counter();
  try {
    for (std::int64_t k = comm.fetch_add(); k < count; k = comm.fetch_add()) {
      beat();
      const std::int64_t item = items[static_cast<std::size_t>(k)];
      tell({item, compute(item, beat)});
    }
  } catch (const Abandoned&) {
    take_all();
  }
  if (comm.root()) {
    for (bool stopped = false; working > 0;) {
      if (stop() && !std::exchange(stopped, true)) take_all();
      accept(read(comm.receive_any(kTag).bytes));
    }
  } else {
    tell({});
  }

  Bytes all;
  if (comm.root()) {
    const auto bytes = std::as_bytes(std::span(results));
    all.assign(bytes.begin(), bytes.end());
  }
  comm.broadcast(all);
  if (comm.root()) return;
  for (std::size_t at = 0; at < all.size(); at += sizeof(Report)) {
    const Report report = read(std::span(all).subspan(at, sizeof(Report)));
    keep(report.item, report.value);
  }
}

}  // namespace apq::comm
