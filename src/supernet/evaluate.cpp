// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>

#include "apq/core/error.hpp"
#include "apq/nn/integer.hpp"
#include "apq/supernet/supernet.hpp"

namespace apq::supernet {

namespace {

constexpr int kEvaluationBatch = 125;

struct Batch {
  std::vector<float> x;
  std::vector<std::int32_t> labels;
  Batch(const data::Dataset& data, int count)
      : x(static_cast<std::size_t>(count) * data.size() * data.size() * data.channels()),
        labels(static_cast<std::size_t>(count)) {}
};

/// Share of correct answers of logits(x, count) over validation images.
template <class Logits>
double accuracy(const data::Dataset& data, std::int64_t images, Logits logits) {
  const std::int64_t count = images > 0 ? std::min(images, data.validation_count()) : data.validation_count();
  Batch batch(data, kEvaluationBatch);
  std::int64_t correct = 0;
  for (std::int64_t first = 0; first < count; first += kEvaluationBatch) {
    const int n = static_cast<int>(std::min<std::int64_t>(kEvaluationBatch, count - first));
    data.validation(first, n, batch.x.data(), batch.labels.data());
    correct += nn::count_correct(n, data.classes(), logits(batch.x.data(), n), batch.labels.data());
  }
  return static_cast<double>(correct) / static_cast<double>(count);
}

}  // namespace

void recalibrate(const nn::Network& network, const data::Dataset& data, const RecalibrationOptions& options,
                 nn::Executor& executor) {
  const std::int64_t images = std::min<std::int64_t>(options.images, data.train_count());
  const int size = static_cast<int>(std::min<std::int64_t>(options.batch, images));
  Batch batch(data, size);
  executor.begin_statistics(network);
  for (std::int64_t b = 0; b < images / size; ++b) {
    data.plain_train(b * size, size, batch.x.data(), batch.labels.data());
    executor.forward(network, batch.x.data(), size, nn::Mode::statistics);
  }
  executor.end_statistics(network);
}

double validate(const nn::Network& network, const data::Dataset& data, std::int64_t images,
                nn::Executor& executor) {
  return accuracy(data, images,
                  [&](const float* x, int n) { return executor.forward(network, x, n, nn::Mode::evaluate); });
}

double validate_integer(const nn::IntegerNetwork& network, const data::Dataset& data, std::int64_t images) {
  nn::IntegerExecutor executor(network);
  return accuracy(data, images, [&](const float* x, int n) { return executor.forward(x, n); });
}

}  // namespace apq::supernet
