// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
// How long a cost table takes to build and how many genomes a second one core costs with it:
//   bench_cost [CONFIG] [--json]
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "apq/config/config.hpp"
#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "apq/hw/cost_model.hpp"

namespace {

double cpu_seconds() {
  std::timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace

int main(int argc, char** argv) try {
  using namespace apq;
  std::string file = APQ_SOURCE_DIR "/configs/fashion-mnist.yaml";
  bool json = false;
  for (int i = 1; i < argc; ++i)
    std::strcmp(argv[i], "--json") == 0 ? void(json = true) : void(file = argv[i]);
  const config::Config config = config::load(file);
  const space::SearchSpace space(config.space);
  const Timer build;
  const hw::CostModel costs(space, hw::device_from_name("bitfusion"), hw::Counting::everything);
  const double build_seconds = build.seconds();

  std::vector<space::Genome> genomes;
  for (std::uint64_t i = 0; i < 4096; ++i) {
    RandomStream random(1, Purpose::test, i);
    genomes.push_back(space.sample(random));
  }
  // CPU time, so that other programs do not count; the best of several passes.
  double sum = 0, best = 0;
  for (int pass = 0; pass < 20; ++pass) {
    const double start = cpu_seconds();
    for (int repeat = 0; repeat < 50; ++repeat)
      for (const space::Genome& g : genomes)
        sum += costs.cost(g).values[static_cast<std::size_t>(repeat % hw::kMetrics)];
    best = std::max(best, 50.0 * static_cast<double>(genomes.size()) / (cpu_seconds() - start));
  }
  std::printf(
      json ? "{\"layers\": %zu, \"build_seconds\": %.4f, \"genomes_per_second\": %.0f, \"sum\": %.6g}\n"
           : "%zu layers, table built in %.4f s, %.0f genomes/s a core (checksum %.6g)\n",
      costs.layer_costs().size() / 2, build_seconds, best, sum);
  return 0;
} catch (const apq::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return error.exit_code();
}
