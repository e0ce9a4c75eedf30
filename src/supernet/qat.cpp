// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>

#include "apq/core/error.hpp"
#include "apq/supernet/supernet.hpp"
#include "supernet/schedule.hpp"

namespace apq::supernet {

namespace {

constexpr double kGradientClip = 5;      // folded weights have no normalisation to tame a bad batch
constexpr float kSmallestAlpha = 0.05f;  // a clip may shrink in training, never to nothing
constexpr float kLargestAlpha = 1e4f;
constexpr float kRelu6 = 6;                                     // an unsigned input follows a ReLU6
constexpr std::size_t kMostKnownFloats = std::size_t{1} << 24;  // of a teacher: 64 MiB

nn::Model fold(Supernet& net, const space::Genome& genome, const data::Dataset& data, int images,
               nn::Executor& executor) {
  const nn::Network& network = net.select(genome);
  recalibrate(network, data, {.images = images}, executor);
  return nn::fold_normalisation(network);
}

}  // namespace

std::vector<quant::LayerBits> layer_bits(const space::SearchSpace& space, const space::Genome& genome) {
  std::vector<quant::LayerBits> bits;
  for (const space::LayerSpec& l : space.expand(genome)) bits.push_back({l.weight_bits, l.activation_bits});
  return bits;
}

Teacher::Teacher(Supernet& net, const data::Dataset& data, int batch_statistics_images,
                 nn::Executor& executor)
    : batch_statistics_images_(batch_statistics_images),
      model_(fold(net, net.space().largest(), data, batch_statistics_images, executor)) {}

const float* Teacher::soft_labels(std::uint64_t data_order, std::int64_t index, int batch, const float* x,
                                  nn::Executor& executor) {
  const Key key{data_order, index, batch};
  if (const auto found = known_.find(key); found != known_.end()) return found->second.data();
  const int classes = model_.network.classes;
  const auto floats = static_cast<std::size_t>(batch) * static_cast<std::size_t>(classes);
  const bool room = floats_ + floats <= kMostKnownFloats;
  if (room) floats_ += floats;
  std::vector<float>& result = room ? known_[key] : scratch_;
  result.resize(floats);
  nn::softmax(batch, classes, executor.forward(model_.network, x, batch, nn::Mode::evaluate), result.data());
  return result.data();
}

QatTrainer::QatTrainer(Supernet& net, const space::Genome& genome, const data::Dataset& data,
                       const QatOptions& options, int rank, int ranks, SumOverRanks sum,
                       nn::Executor& executor, std::shared_ptr<Teacher> teacher)
    : model_(fold(net, genome, data, options.batch_statistics_images, executor)),
      teacher_(std::move(teacher)),
      data_(&data),
      options_(options),
      rank_(rank),
      ranks_(ranks),
      sum_(std::move(sum)),
      executor_(&executor) {
  APQ_ASSERT(!teacher_ || teacher_->batch_statistics_images() == options.batch_statistics_images);
  if (options.distillation > 0 && !teacher_)
    teacher_ = std::make_shared<Teacher>(net, data, options.batch_statistics_images, executor);

  const auto image = static_cast<std::size_t>(data.size()) * data.size() * data.channels();
  const int calibration =
      static_cast<int>(std::min<std::int64_t>(options.calibration_images, data.train_count()));
  x_.resize(image * static_cast<std::size_t>(std::max(calibration, options.batch)));
  labels_.resize(static_cast<std::size_t>(std::max(calibration, options.batch)));
  data.plain_train(0, calibration, x_.data(), labels_.data());
  quant::prepare(model_, layer_bits(net.space(), genome), x_.data(), calibration, executor);
  velocity_.assign(model_.values.size(), 0.0f);
  dlogits_.resize(static_cast<std::size_t>(options.batch) * data.classes());
}

double QatTrainer::advance() {
  const int batch = options_.batch;
  const auto position = batch_position(step_, rank_, ranks_, data_->train_count() / batch);
  data_->train_batch(kQatStream + options_.data_order, position.epoch, position.batch, batch, x_.data(),
                     labels_.data());
  const float* soft_labels = nullptr;
  if (options_.distillation > 0)
    soft_labels =
        teacher_->soft_labels(options_.data_order, step_ * ranks_ + rank_, batch, x_.data(), *executor_);
  const float* logits = executor_->forward(model_.network, x_.data(), batch, nn::Mode::train);
  const double loss = nn::softmax_cross_entropy(batch, data_->classes(), logits, labels_.data(),
                                                static_cast<float>(options_.label_smoothing), soft_labels,
                                                static_cast<float>(options_.distillation), dlogits_.data());
  if (!std::isfinite(loss))
    fail(ErrorKind::numeric,
         "quantization-aware training diverged at step {} (loss is {}) lower its learning rate", step_, loss);
  executor_->backward(model_.network, x_.data(), dlogits_.data());
  sum_(model_.grads);
  if (ranks_ > 1)
    for (float& g : model_.grads) g /= static_cast<float>(ranks_);
  const double norm = nn::clip_gradient(model_.grads, kGradientClip);
  if (!std::isfinite(norm))
    fail(ErrorKind::numeric,
         "quantization-aware training diverged at step {} (the gradient is not finite) lower its learning "
         "rate",
         step_);
  nn::sgd_step(
      {.learning_rate = static_cast<float>(learning_rate(options_.learning_rate, step_, options_.steps)),
       .momentum = static_cast<float>(options_.momentum),
       .weight_decay = static_cast<float>(options_.weight_decay)},
      model_.values, model_.grads, velocity_, model_.decayed);
  for (nn::Layer& l : model_.network.layers)
    if (const auto& q = l.input_quantizer; q.bits > 0)
      *q.alpha.value = std::clamp(*q.alpha.value, kSmallestAlpha, q.is_signed ? kLargestAlpha : kRelu6);
  ++step_;
  return loss;
}

}  // namespace apq::supernet
