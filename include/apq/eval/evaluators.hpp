// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "apq/data/dataset.hpp"
#include "apq/hw/cost_model.hpp"
#include "apq/predictor/predictor.hpp"
#include "apq/search/evaluator.hpp"
#include "apq/supernet/supernet.hpp"

namespace apq::eval {

/// Fast scores: the quantization-aware predictor and the hardware model.
class PredictedEvaluator final : public search::Evaluator {
 public:
  PredictedEvaluator(const predictor::Predictor& predictor, const hw::CostModel& costs)
      : predictor_(&predictor), costs_(&costs) {}
  void evaluate(std::span<const space::Genome> genomes, std::span<search::Score> scores) override;
  double cost(const space::Genome& genome, int metric) const override;

 private:
  const predictor::Predictor* predictor_;
  const hw::CostModel* costs_;
};

/// Slow, true scores on this process alone, of a supernet that does not change meanwhile.
class TrueEvaluator {
 public:
  TrueEvaluator(supernet::Supernet& net, const data::Dataset& data) : net_(&net), data_(&data) {}
  /// Float validation accuracy of the sub-network with recalibrated statistics, no training.
  double float_accuracy(const space::Genome& genome, const supernet::RecalibrationOptions& recalibration,
                        std::int64_t images);
  /// Validation accuracy of the integer network after short quantization-aware training. A function of
  /// genome, supernet, data and options only. `beat` is called after every step and may throw to abandon it.
  /// Error(numeric) when training diverges or the network cannot be lowered.
  double integer_accuracy(
      const space::Genome& genome, const supernet::QatOptions& qat, std::int64_t images,
      const std::function<void()>& beat = [] {});

 private:
  supernet::Supernet* net_;
  const data::Dataset* data_;
  nn::Executor executor_;
  std::shared_ptr<supernet::Teacher> teacher_;  ///< of the last quantization-aware training
};

}  // namespace apq::eval
