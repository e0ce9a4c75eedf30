// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apq/core/error.hpp"
#include "apq/core/fault.hpp"
#include "apq/core/hash.hpp"
#include "apq/core/process.hpp"
#include "apq/io/files.hpp"
#include "apq/search/pareto.hpp"
#include "pipeline/artifacts.hpp"
#include "pipeline/context.hpp"
#include "pipeline/results.hpp"

namespace apq::pipeline {

namespace {

/// One network on its way to the final table.
struct Job {
  std::size_t budget = 0;
  Measured start;
  double validation = 0;
  std::string network;  ///< frame bytes of the integer network, empty until trained
};

/// The best measured networks within each budget.
std::vector<Job> choose(const Context& c, const std::vector<Measured>& measured) {
  std::vector<Job> jobs;
  for (std::size_t b = 0; b < c.budgets.size(); ++b) {
    std::vector<Measured> within;
    for (const Measured& m : measured)
      if (m.source == "islands" && !m.failed() &&
          c.budgets[b].holds(search::Score{0, c.costs.cost(m.genome).values}))
        within.push_back(m);
    validate(!within.empty(), ErrorKind::data,
             "no measured network within {} (pareto.csv has none) run 'apq search' for this budget",
             c.budgets[b].name);
    std::stable_sort(within.begin(), within.end(), [](auto& x, auto& y) { return x.accuracy > y.accuracy; });
    within.resize(std::min(within.size(), static_cast<std::size_t>(c.config.finetune.candidates)));
    for (const Measured& m : within) jobs.push_back({b, m, 0, {}});
  }
  return jobs;
}

supernet::QatOptions schedule(const Context& c) {
  auto qat = c.config.finetune.qat;
  qat.steps = std::max<std::int64_t>(
      1, std::llround(c.config.finetune.epochs * static_cast<double>(c.data->train_count()) /
                      (qat.batch * c.comm.size())));
  return qat;
}

std::string frame_text(const io::Archive& a) {
  const auto frame = a.to_frame("network");
  return {reinterpret_cast<const char*>(frame.data()), frame.size()};
}

nn::IntegerNetwork network_of(const std::string& frame) {
  return network_from(
      io::Archive::from_frame(std::as_bytes(std::span(frame)), "network", "fine-tuned network"));
}

io::Archive state_of(const Context& c, const std::vector<Job>& jobs, std::size_t current,
                     supernet::QatTrainer* trainer) {
  io::Archive a;
  a.put("ranks", std::int64_t{c.comm.size()});
  a.put("current", static_cast<std::int64_t>(current));
  for (std::size_t j = 0; j < current; ++j) {
    a.put(fmt::format("network{}", j), jobs[j].network);
    a.put(fmt::format("validation{}", j), jobs[j].validation);
  }
  if (trainer) {
    a.put("values", std::span<const float>(trainer->model().values));
    a.put("velocity", std::span<const float>(trainer->velocity()));
    a.put("step", trainer->step());
  }
  return a;
}

/// Trains the jobs on all ranks together; every rank ends with the same jobs.
void train(Context& c, std::vector<Job>& jobs) {
  const auto net = load_supernet(c);
  const auto qat = schedule(c);
  nn::Executor executor;
  std::shared_ptr<supernet::Teacher> teacher;
  if (qat.distillation > 0)
    teacher = std::make_shared<supernet::Teacher>(*net, *c.data, qat.batch_statistics_images, executor);
  const auto state = c.restore();
  std::size_t current = 0;
  if (state) {
    c.same_ranks(*state);
    current = static_cast<std::size_t>(state->integer("current"));
    for (std::size_t j = 0; j < std::min(current, jobs.size()); ++j) {
      jobs[j].network = state->text(fmt::format("network{}", j));
      jobs[j].validation = state->real(fmt::format("validation{}", j));
    }
  }
  Progress progress("fine-tuning", static_cast<std::int64_t>(jobs.size()) * qat.steps, c.comm.root());
  for (bool first = true; current < jobs.size(); ++current, first = false) {
    Job& job = jobs[current];
    supernet::QatTrainer trainer(*net, job.start.genome, *c.data, qat, c.comm.rank(), c.comm.size(),
                                 c.sum_over_ranks(), executor, teacher);
    if (first && state && state->has("step")) {
      const auto values = state->floats("values"), velocity = state->floats("velocity");
      validate(values.size() == trainer.model().values.size() && velocity.size() == trainer.velocity().size(),
               ErrorKind::checkpoint, "the fine-tuning checkpoint does not fit network {} start afresh",
               current);
      std::copy(values.begin(), values.end(), trainer.model().values.begin());
      trainer.velocity().assign(velocity.begin(), velocity.end());
      trainer.set_step(state->integer("step"));
    }
    while (!trainer.done()) {
      const double loss = trainer.advance();
      progress.update(static_cast<std::int64_t>(current) * qat.steps + trainer.step(),
                      fmt::format("network {} of {}, loss {:.3f}", current + 1, jobs.size(), loss));
      fault::point("step");
      if (trainer.step() % 16 == 0)
        c.note_quietly(
            fmt::format("network {}, step {}: loss {}", current + 1, trainer.step(), io::number(loss)));
      const bool stop = c.stop_agreed();
      if ((c.checkpoint_due() || stop) && c.comm.root())
        c.save(static_cast<std::int64_t>(current) * qat.steps + trainer.step(),
               state_of(c, jobs, current, &trainer));
      if (stop) c.stop_early();
    }
    job.network = frame_text(network_archive(quant::lower(trainer.model())));
    job.validation = supernet::validate_integer(network_of(job.network), *c.data, 0);
    if (c.comm.root()) {
      c.note(fmt::format("fine-tuned for {}: {:.2f} % on validation (integers), {}",
                         c.budgets[job.budget].name, 100 * job.validation,
                         c.space.to_text(job.start.genome)));
      c.save(static_cast<std::int64_t>(current + 1) * qat.steps, state_of(c, jobs, current + 1, nullptr));
    }
  }
  progress.finish();
}

}  // namespace

void run_finetune(Context& c) {
  const auto path = c.comm.root() ? c.artifact("pareto.csv", "search") : fs::path{};
  io::Archive input;
  if (c.comm.root()) input.put("pareto", io::read_text(path));
  broadcast(c.comm, input);
  const auto measured = read_measured(c.space, input.text("pareto"), path.string(), c.budgets);
  std::vector<Job> jobs = choose(c, measured);
  train(c, jobs);
  if (!c.comm.root()) return;

  // The only place that reads the test set.
  const data::ImageSet test = data::read_test(c.config.data);
  std::vector<FinalNetwork> finals;
  fs::create_directories(c.out / "networks");
  for (std::size_t b = 0; b < c.budgets.size(); ++b) {
    const Job* best = nullptr;
    for (const Job& job : jobs)
      if (job.budget == b && (!best || job.validation > best->validation)) best = &job;
    const nn::IntegerNetwork network = network_of(best->network);
    FinalNetwork f;
    f.budget = c.config.budgets[b];
    f.genome = c.space.to_text(best->start.genome);
    f.cost = c.costs.cost(best->start.genome);
    f.predicted = best->start.predicted;
    f.validation = best->validation;
    f.test = test_accuracy(network, *c.data, test);
    f.file = fmt::format("networks/{}.net", b + 1);
    network_archive(network).save(c.out / f.file, "network");
    c.note(fmt::format("{}: test {:.2f} %", c.budgets[b].name, 100 * f.test));
    finals.push_back(std::move(f));
  }
  write_best(c.out / "best.yaml", finals);
  io::write_atomically(c.out / "networks.json", finals_json(finals));
}

}  // namespace apq::pipeline
