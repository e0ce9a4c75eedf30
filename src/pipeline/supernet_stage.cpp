// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/error.hpp"
#include "apq/core/fault.hpp"
#include "apq/core/hash.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/io/files.hpp"
#include "pipeline/context.hpp"

namespace apq::pipeline {

namespace {

io::Archive state_of(const Context& c, supernet::Supernet& net, std::int64_t step) {
  io::Archive a;
  a.put("ranks", std::int64_t{c.comm.size()});
  a.put("values", std::span<const float>(net.values()));
  a.put("velocity", std::span<const float>(net.velocity()));
  a.put("step", step);
  return a;
}

void fill(std::span<float> to, const std::vector<float>& from) {
  validate(to.size() == from.size(), ErrorKind::checkpoint,
           "the checkpoint does not fit ({} values, {} expected) start afresh", from.size(), to.size());
  std::copy(from.begin(), from.end(), to.begin());
}

}  // namespace

void run_supernet(Context& c) {
  const auto& options = c.config.supernet;
  supernet::Supernet net(c.space, c.config.seed);
  supernet::Trainer trainer(net, *c.data, options, c.config.seed, c.comm.rank(), c.comm.size(),
                            c.sum_over_ranks());
  if (const auto state = c.restore()) {
    c.same_ranks(*state);
    fill(net.values(), state->floats("values"));
    fill(net.velocity(), state->floats("velocity"));
    trainer.set_step(state->integer("step"));
  }
  if (c.comm.root())
    log::info("supernet: {} values, {} training, {} steps of {} x {} images", net.values().size(),
              options.mode, trainer.steps(), c.comm.size(), options.batch);

  Progress progress("supernet training", trainer.steps(), c.comm.root());
  while (!trainer.done()) {
    const double loss = trainer.advance();
    progress.update(trainer.step(), fmt::format("loss {:.3f}", loss));
    fault::point("step");
    if (trainer.step() % 16 == 0)
      c.note_quietly(fmt::format("step {}: loss {}", trainer.step(), io::number(loss)));
    const bool stop = c.stop_agreed();
    if ((c.checkpoint_due() || stop) && c.comm.root())
      c.save(trainer.step(), state_of(c, net, trainer.step()));
    if (stop && !trainer.done()) c.stop_early();
  }
  progress.finish();

  if (!c.comm.root()) return;
  const Timer timer;
  nn::Executor executor;
  for (const auto& [name, genome] :
       {std::pair{"largest", c.space.largest()}, {"smallest", c.space.smallest()}}) {
    const nn::Network& sub = net.select(genome);
    supernet::recalibrate(sub, *c.data, c.config.pairs.recalibration, executor);
    c.note(fmt::format("supernet: {} network {:.2f} % on validation", name,
                       100 * supernet::validate(sub, *c.data, 0, executor)));
  }
  io::Archive artifact;
  artifact.put("space", c.space.describe());
  artifact.put("data", hex(c.data->hash()));
  artifact.put("values", std::span<const float>(net.values()));
  artifact.save(c.out / "supernet.ckpt", "supernet");
  c.work["serial_seconds"] = timer.seconds();
}

}  // namespace apq::pipeline
