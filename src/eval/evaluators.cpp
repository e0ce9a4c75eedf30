// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/eval/evaluators.hpp"

#include "apq/core/error.hpp"

namespace apq::eval {

static_assert(search::kCosts == hw::kMetrics, "a score carries every hardware metric");

void PredictedEvaluator::evaluate(std::span<const space::Genome> genomes, std::span<search::Score> scores) {
  APQ_ASSERT(genomes.size() == scores.size());
  std::vector<double> accuracy(genomes.size());
  predictor_->predict(genomes, accuracy);
  for (std::size_t i = 0; i < genomes.size(); ++i) scores[i] = {accuracy[i], costs_->cost(genomes[i]).values};
}

double PredictedEvaluator::cost(const space::Genome& genome, int metric) const {
  return costs_->cost(genome, static_cast<hw::Metric>(metric));
}

double TrueEvaluator::float_accuracy(const space::Genome& genome,
                                     const supernet::RecalibrationOptions& recalibration,
                                     std::int64_t images) {
  const nn::Network& network = net_->select(genome);
  supernet::recalibrate(network, *data_, recalibration, executor_);
  return supernet::validate(network, *data_, images, executor_);
}

double TrueEvaluator::integer_accuracy(const space::Genome& genome, const supernet::QatOptions& qat,
                                       std::int64_t images, const std::function<void()>& beat) {
  const bool taught = qat.distillation > 0 && qat.steps > 0;
  if (taught && !(teacher_ && teacher_->batch_statistics_images() == qat.batch_statistics_images))
    teacher_ = std::make_shared<supernet::Teacher>(*net_, *data_, qat.batch_statistics_images, executor_);
  supernet::QatTrainer trainer(
      *net_, genome, *data_, qat, 0, 1, [](std::span<float>) {}, executor_, taught ? teacher_ : nullptr);
  while (!trainer.done()) {
    trainer.advance();
    beat();
  }
  return supernet::validate_integer(quant::lower(trainer.model()), *data_, images);
}

}  // namespace apq::eval
