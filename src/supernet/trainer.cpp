// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <cmath>
#include <numbers>

#include "apq/core/error.hpp"
#include "apq/supernet/supernet.hpp"
#include "supernet/schedule.hpp"

namespace apq::supernet {

Trainer::Trainer(Supernet& net, const data::Dataset& data, const TrainOptions& options, std::uint64_t seed,
                 int rank, int ranks, SumOverRanks sum)
    : net_(&net),
      data_(&data),
      options_(options),
      seed_(seed),
      rank_(rank),
      ranks_(ranks),
      sum_(std::move(sum)),
      executor_(options.precision == "bf16" ? nn::Storage::bf16 : nn::Storage::fp32) {
  validate(data.train_count() >= options.batch, ErrorKind::usage,
           "supernet.batch is {} (the training part has {} images) choose a smaller batch", options.batch,
           data.train_count());
  const double images = options.epochs * static_cast<double>(data.train_count());
  steps_ = std::max<std::int64_t>(1, std::llround(images / (options.batch * ranks)));
  warmup_steps_ = std::llround(static_cast<double>(steps_) * options.warmup_epochs / options.epochs);
  x_.resize(static_cast<std::size_t>(options.batch) * data.size() * data.size() * data.channels());
  labels_.resize(static_cast<std::size_t>(options.batch));
  teacher_.resize(static_cast<std::size_t>(options.batch) * data.classes());
  dlogits_.resize(teacher_.size());
}

/// Sandwich rule (Yu et al. 2020, BigNAS): smallest and random sub-networks beside the largest. Progressive
/// shrinking (once-for-all, section 3.3): first kernels vary, then also depths, then also widths.
std::vector<space::Genome> Trainer::subnets_of_step() const {
  if (step_ < warmup_steps_) return {};
  const auto& space = net_->space();
  RandomStream random(seed_, Purpose::supernet_sample, static_cast<std::uint64_t>(step_));
  std::vector<space::Genome> subnets;
  const bool sandwich = options_.mode == "sandwich";
  if (sandwich) subnets.push_back(space.smallest());
  const std::int64_t phase = 3 * (step_ - warmup_steps_) / std::max<std::int64_t>(1, steps_ - warmup_steps_);
  for (int i = 0; i < options_.random_subnets; ++i) {
    space::Genome g = space.sample(random);
    if (!sandwich) {
      const space::Genome largest = space.largest();
      if (phase < 1) g.depth = largest.depth;
      for (std::size_t b = 0; phase < 2 && b < g.blocks.size(); ++b)
        g.blocks[b].width = largest.blocks[b].width;
    }
    subnets.push_back(std::move(g));
  }
  return subnets;
}

double Trainer::advance() {
  const int batch = options_.batch;
  const auto position = batch_position(step_, rank_, ranks_, data_->train_count() / batch);
  data_->train_batch(kSupernetStream, position.epoch, position.batch, batch, x_.data(), labels_.data());
  if (step_ == warmup_steps_ && step_ > 0) net_->sort_channels();

  const auto& space = net_->space();
  const auto subnets = subnets_of_step();
  const bool teacher_learns = options_.mode == "sandwich" || subnets.empty();
  const int classes = data_->classes();

  const nn::Network& largest = net_->select(space.largest());
  const float* logits = executor_.forward(largest, x_.data(), batch, nn::Mode::train);
  nn::softmax(batch, classes, logits, teacher_.data());
  const double loss =
      nn::softmax_cross_entropy(batch, classes, logits, labels_.data(),
                                static_cast<float>(options_.label_smoothing), nullptr, 0, dlogits_.data());
  if (!std::isfinite(loss))
    fail(ErrorKind::numeric,
         "supernet training diverged at step {} (loss is {}) lower supernet.learning_rate", step_, loss);
  if (teacher_learns) {
    executor_.backward(largest, x_.data(), dlogits_.data());
    net_->finish_backward();
  }
  for (const space::Genome& genome : subnets) {
    const nn::Network& subnet = net_->select(genome);
    logits = executor_.forward(subnet, x_.data(), batch, nn::Mode::train);
    nn::softmax_cross_entropy(batch, classes, logits, labels_.data(),
                              static_cast<float>(options_.label_smoothing), teacher_.data(),
                              static_cast<float>(options_.distillation), dlogits_.data());
    executor_.backward(subnet, x_.data(), dlogits_.data());
    net_->finish_backward();
  }

  sum_(net_->grads());
  const float share = 1.0f / static_cast<float>(ranks_);
  if (ranks_ > 1)
    for (float& g : net_->grads()) g *= share;
  const double norm = nn::clip_gradient(net_->grads(), options_.gradient_clip);
  if (!std::isfinite(norm))
    fail(ErrorKind::numeric,
         "supernet training diverged at step {} (the gradient is not finite) lower "
         "supernet.learning_rate",
         step_);
  nn::sgd_step({.learning_rate = static_cast<float>(learning_rate(options_.learning_rate, step_, steps_)),
                .momentum = static_cast<float>(options_.momentum),
                .weight_decay = static_cast<float>(options_.weight_decay)},
               net_->values(), net_->grads(), net_->velocity(), net_->decayed());
  ++step_;
  return loss;
}

}  // namespace apq::supernet
