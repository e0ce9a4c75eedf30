// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/binding.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <span>
#include <sstream>

#include "apq/core/process.hpp"

namespace apq::pipeline {
namespace {

/// "0-3,8"
std::string ranges(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ",", numbers[i]);
    if (last > i) text += fmt::format("-{}", numbers[last]);
    i = last + 1;
  }
  return text;
}

/// What hosts have to agree in to be named on one line.
struct Layout {
  std::vector<std::string> cpus;  ///< of each rank
  int available = 0;              ///< CPUs of all its ranks together, or given to the job if those are fewer
  auto operator<=>(const Layout&) const = default;
};

Layout layout_of(const std::vector<const Place*>& ranks) {
  Layout layout;
  std::set<int> all;
  for (const Place* rank : ranks) {
    layout.cpus.push_back(ranges(rank->cpus));
    all.insert(rank->cpus.begin(), rank->cpus.end());
  }
  layout.available = static_cast<int>(all.size());
  if (const int given = ranks.front()->given; given > 0) layout.available = std::min(layout.available, given);
  return layout;
}

std::string names(const std::vector<std::string>& hosts) {
  constexpr std::size_t kShown = 4;
  if (hosts.size() <= kShown) return fmt::format("{}", fmt::join(hosts, ", "));
  return fmt::format("{} and {} more", fmt::join(std::span(hosts).first(kShown - 1), ", "),
                     hosts.size() - kShown + 1);
}

}  // namespace

Binding describe_binding(const std::vector<Place>& ranks, int threads) {
  std::map<std::string, std::vector<const Place*>> hosts;
  for (const Place& rank : ranks) hosts[rank.host].push_back(&rank);
  std::map<Layout, std::vector<std::string>> alike;
  for (const auto& [host, places] : hosts) alike[layout_of(places)].push_back(host);

  Binding binding;
  binding.hosts = static_cast<int>(hosts.size());
  for (const auto& [layout, where] : alike) {
    const std::size_t count = layout.cpus.size();
    const bool shared =
        count > 1 && std::all_of(layout.cpus.begin(), layout.cpus.end(),
                                 [&first = layout.cpus.front()](auto& c) { return c == first; });
    binding.layout.push_back(fmt::format("binding on {}: {} ranks x {} threads on CPUs {}", names(where),
                                         count, threads,
                                         shared ? layout.cpus.front() + ", shared by all ranks"
                                                : fmt::format("{}", fmt::join(layout.cpus, " | "))));
    const auto wanted = count * static_cast<std::size_t>(threads);
    if (wanted > static_cast<std::size_t>(layout.available))
      binding.warnings.push_back(fmt::format(
          "{}: {} ranks x {} threads, but {} CPUs: expect it to be slower than with fewer, or ask for more "
          "(--cpus-per-task)",
          names(where), count, threads, layout.available));
  }
  return binding;
}

Binding gather_binding(comm::Communicator& comm, int threads) {
  const char* given = std::getenv("SLURM_CPUS_ON_NODE");
  std::string mine =
      fmt::format("{} {} {}", host_info().name, given ? std::atoi(given) : 0, fmt::join(allowed_cpus(), " "));
  std::vector<Place> ranks;
  for (const comm::Bytes& bytes : comm.all_gather(std::as_bytes(std::span(mine)))) {
    std::istringstream text(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    Place place;
    text >> place.host >> place.given;
    for (int cpu; text >> cpu;) place.cpus.push_back(cpu);
    ranks.push_back(std::move(place));
  }
  return describe_binding(ranks, threads);
}

}  // namespace apq::pipeline
