// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>

#include "apq/io/files.hpp"
#include "apq/predictor/predictor.hpp"
#include "pipeline/artifacts.hpp"
#include "pipeline/context.hpp"

namespace apq::pipeline {

void run_predictor(Context& c) {
  const auto& options = c.config.predictor;
  std::vector<predictor::Pair> fp32_pairs;
  std::vector<Measured> int8_pairs;
  std::optional<predictor::Quality> ceiling;
  if (c.comm.root()) {
    fp32_pairs = read_pairs_fp32(c.space, c.artifact("pairs_fp32.csv", "collect"));
    int8_pairs = read_pairs_int8(c.space, c.artifact("pairs_int8.csv", "collect"));
    std::erase_if(int8_pairs, [](const Measured& m) { return m.source != "sample"; });
    if (c.config.pairs.noise > 0)
      ceiling = noise_ceiling(read_pairs_noise(c.space, c.artifact("pairs_noise.csv", "collect")));
  }
  predictor::Predictor fp32(c.space, false, options, c.config.seed);
  const Timer timer;
  const auto fp32_quality = fit(c.comm, c.space, fp32, fp32_pairs);
  predictor::Predictor int8(c.space, true, options, c.config.seed);
  if (options.transfer) int8.transfer_from(fp32);
  const auto int8_quality = fit(c.comm, c.space, int8, as_pairs(int8_pairs));
  if (!c.comm.root()) return;
  c.work["refits"] = 2;
  c.work["refit_seconds"] = timer.seconds();
  c.note(fmt::format("predictor: float, on {} held-out pairs: Kendall tau {:.3f}, pairwise {:.1f} %",
                     fp32_quality.pairs, fp32_quality.kendall_tau, 100 * fp32_quality.pairwise_accuracy));
  c.note(fmt::format("predictor: int8 ({}), on {} held-out pairs: Kendall tau {:.3f}, pairwise {:.1f} %",
                     options.transfer ? "transferred" : "from scratch", int8_quality.pairs,
                     int8_quality.kendall_tau, 100 * int8_quality.pairwise_accuracy));

  io::Archive artifact;
  artifact.put("space", c.space.describe());
  artifact.put("fp32", fp32.weights());
  artifact.put("int8", int8.weights());
  artifact.save(c.out / "predictor.ckpt", "predictor");
  io::write_atomically(c.out / "predictor.json", predictor_json(fp32_quality, {int8_quality}, ceiling));
}

}  // namespace apq::pipeline
