// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/supernet/supernet.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <tuple>

namespace apq::supernet {
namespace {

space::SearchSpace small_space() {
  space::SpaceOptions o;
  o.input_size = 12;
  o.input_channels = 1;
  o.classes = 4;
  o.stem_width = 8;
  o.stages = {{.width = 16, .stride = 2, .depths = {1, 2, 3}, .min_expand = 2, .max_expand = 4},
              {.width = 24, .stride = 1, .depths = {1, 2}, .min_expand = 2, .max_expand = 4}};
  o.head_width = 32;
  return space::SearchSpace(o);
}

/// Squares whose place and brightness say the class, with noise: learnable in seconds.
data::ImageSet toy_images(int count) {
  data::ImageSet set;
  set.count = count;
  set.size = 12;
  set.channels = 1;
  set.classes = 4;
  RandomStream random(5, Purpose::test);
  for (int i = 0; i < count; ++i) {
    const int label = static_cast<int>(random.below(4));
    set.labels.push_back(label);
    for (int y = 0; y < 12; ++y)
      for (int x = 0; x < 12; ++x) {
        const bool on = (label % 2 == 0 ? x < 6 : x >= 6) && (label / 2 == 0 ? y < 6 : y >= 6);
        set.pixels.push_back(static_cast<std::uint8_t>((on ? 110 : 60) + random.below(80)));
      }
  }
  for (int c = 0; c < 4; ++c) set.class_names.push_back(std::to_string(c));
  return set;
}

data::DataOptions toy_options() {
  data::DataOptions o;
  o.validation = 200;
  o.crop = 0;
  o.flip = false;
  return o;
}

std::vector<float> random_images(int batch) {
  RandomStream random(11, Purpose::test, 1);
  std::vector<float> x(static_cast<std::size_t>(batch) * 144);
  for (float& v : x) v = static_cast<float>(random.normal());
  return x;
}

void randomise(Supernet& net) {
  RandomStream random(12, Purpose::test, 2);
  for (float& v : net.values()) v += static_cast<float>(0.1 * random.normal());
}

TEST(Supernet, SubNetworkEqualsAStandAloneNetworkWithCopiedWeights) {
  const auto space = small_space();
  Supernet net(space, 1);
  randomise(net);
  const auto x = random_images(6);
  for (std::uint64_t key = 0; key < 5; ++key) {
    RandomStream random(2, Purpose::test, key);
    const auto genome = space.sample(random);
    nn::Executor executor;
    const nn::Network& sub = net.select(genome);
    const float* logits = executor.forward(sub, x.data(), 6, nn::Mode::train);
    const std::vector<float> shared(logits, logits + 24);
    const nn::Model alone = nn::copy_model(sub);
    for (float& v : net.values()) v = 1e9f;  // the copy must not look at the supernet any more
    logits = executor.forward(alone.network, x.data(), 6, nn::Mode::train);
    for (std::size_t i = 0; i < 24; ++i) EXPECT_FLOAT_EQ(shared[i], logits[i]);
    net = Supernet(space, 1);
    randomise(net);
  }
}

TEST(Supernet, SmallKernelsStartAsTheCentreOfTheLargeOnes) {
  const auto space = small_space();
  Supernet net(space, 1);
  auto genome = space.largest();
  const nn::Network full = net.select(genome);
  const nn::Layer wide = full.layers[2];
  ASSERT_EQ(wide.kind, nn::Kind::depthwise);
  ASSERT_EQ(wide.kernel, 7);
  genome.blocks[0].kernel = 0;
  const nn::Layer narrow = net.select(genome).layers[2];
  ASSERT_EQ(narrow.kernel, 3);
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 3; ++x)
      for (int c = 0; c < narrow.cout; ++c)
        EXPECT_FLOAT_EQ(narrow.weight.value[(y * 3 + x) * narrow.weight.ld + c],
                        wide.weight.value[((y + 2) * 7 + x + 2) * wide.weight.ld + c]);
}

TEST(Supernet, GradientsReachStoredKernelsAndTransforms) {
  const auto space = small_space();
  Supernet net(space, 1);
  auto genome = space.largest();
  for (auto& block : genome.blocks) block.kernel = 0;
  const auto x = random_images(6);
  const std::int32_t labels[] = {0, 1, 2, 3, 0, 1};
  nn::Executor executor;
  std::vector<float> d(24);
  // Inside the clip the loss is smooth, so difference quotients are exact enough.
  for (const auto& l : net.select(genome).layers)
    for (int c = 0; l.gamma.value && l.relu6 && c < l.cout; ++c) {
      l.gamma.value[c] = 0.3f;
      l.beta.value[c] = 3;
    }
  const auto loss = [&] {
    const float* logits = executor.forward(net.select(genome), x.data(), 6, nn::Mode::train);
    return nn::softmax_cross_entropy(6, 4, logits, labels, 0, nullptr, 0, d.data());
  };
  const nn::Network& sub = net.select(genome);
  const float* logits = executor.forward(sub, x.data(), 6, nn::Mode::train);
  nn::softmax_cross_entropy(6, 4, logits, labels, 0, nullptr, 0, d.data());
  executor.backward(sub, x.data(), d.data());
  net.finish_backward();
  const std::vector<float> grads(net.grads().begin(), net.grads().end());

  RandomStream random(3, Purpose::test);
  int nonzero = 0;
  for (int k = 0; k < 300; ++k) {
    const std::size_t at = random.below(static_cast<std::uint32_t>(grads.size()));
    if (grads[at] == 0) continue;
    const float keep = net.values()[at];
    net.values()[at] = keep + 1e-2f;
    const double up = loss();
    net.values()[at] = keep - 1e-2f;
    const double down = loss();
    net.values()[at] = keep;
    const double expected = (up - down) / 2e-2;
    EXPECT_NEAR(grads[at], expected, 3e-4 + 0.03 * std::abs(expected)) << "value " << at;
    ++nonzero;
  }
  EXPECT_GT(nonzero, 50);
}

TEST(Supernet, SortingChannelsKeepsTheLargestNetworksFunction) {
  const auto space = small_space();
  Supernet net(space, 1);
  randomise(net);
  const auto x = random_images(6);
  nn::Executor executor;
  const float* logits = executor.forward(net.select(space.largest()), x.data(), 6, nn::Mode::train);
  const std::vector<float> before(logits, logits + 24);
  logits = executor.forward(net.select(space.smallest()), x.data(), 6, nn::Mode::train);
  const std::vector<float> small_before(logits, logits + 24);
  net.sort_channels();
  logits = executor.forward(net.select(space.largest()), x.data(), 6, nn::Mode::train);
  for (std::size_t i = 0; i < 24; ++i) EXPECT_NEAR(before[i], logits[i], 1e-3);
  logits = executor.forward(net.select(space.smallest()), x.data(), 6, nn::Mode::train);
  double moved = 0;
  for (std::size_t i = 0; i < 24; ++i)
    moved = std::max(moved, std::abs(static_cast<double>(small_before[i] - logits[i])));
  EXPECT_GT(moved, 1e-3);

  const auto net_layers = net.select(space.largest()).layers;
  for (const auto& l : net_layers) {
    if (l.residual_from < 0) continue;  // a projection: rows must come by falling importance
    double last = 1e30;
    for (int i = 0; i < l.cin; ++i) {
      double sum = 0;
      for (int o = 0; o < l.cout; ++o)
        sum += std::abs(static_cast<double>(l.weight.value[i * l.weight.ld + o]));
      EXPECT_LE(sum, last + 1e-6);
      last = sum;
    }
  }
}

class Training : public ::testing::TestWithParam<std::tuple<const char*, const char*>> {};
INSTANTIATE_TEST_SUITE_P(ModesAndPrecisions, Training,
                         ::testing::Combine(::testing::Values("sandwich", "progressive"),
                                            ::testing::Values("fp32", "bf16")));

TEST_P(Training, TeachesLargestAndSmallestNetworksAToyProblem) {
  const auto space = small_space();
  const data::Dataset data(toy_images(1400), toy_options(), 1);
  Supernet net(space, 1);
  TrainOptions options;
  std::tie(options.mode, options.precision) = GetParam();
  options.epochs = 10;
  options.warmup_epochs = 1;
  options.batch = 50;
  options.learning_rate = 0.05;
  Trainer trainer(net, data, options, 1, 0, 1, [](std::span<float>) {});
  while (!trainer.done()) trainer.advance();
  nn::Executor executor;
  for (const auto& genome : {space.largest(), space.smallest()}) {
    const nn::Network& sub = net.select(genome);
    recalibrate(sub, data, {.images = 400, .batch = 100}, executor);
    EXPECT_GT(validate(sub, data, 0, executor), 0.9);
  }
}

class Continuing : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Precisions, Continuing, ::testing::Values("fp32", "bf16"));

TEST_P(Continuing, FromAnyStepGivesTheSameBytes) {
  const auto space = small_space();
  const data::Dataset data(toy_images(600), toy_options(), 1);
  TrainOptions options;
  options.precision = GetParam();
  options.epochs = 2;
  options.warmup_epochs = 0.5;
  options.batch = 50;
  Supernet straight(space, 1), stopped(space, 1);
  const auto nothing = [](std::span<float>) {};
  Trainer a(straight, data, options, 1, 0, 1, nothing);
  while (!a.done()) a.advance();
  for (std::int64_t half = 0; half < 2; ++half) {
    Trainer b(stopped, data, options, 1, 0, 1, nothing);
    b.set_step(half * b.steps() / 2);
    while (b.step() < (half + 1) * b.steps() / 2) b.advance();
  }
  EXPECT_TRUE(std::equal(straight.values().begin(), straight.values().end(), stopped.values().begin()));
}

TEST(Training, TwoRanksWithAveragedGradientsTakeTheSameStep) {
  // Both halves of a global batch, summed by hand, must move the weights as two ranks would.
  const auto space = small_space();
  const data::Dataset data(toy_images(600), toy_options(), 1);
  TrainOptions options;
  options.batch = 50;
  std::vector<float> first_grads, sum;
  Supernet one(space, 1), two(space, 1);
  Trainer rank0(one, data, options, 1, 0, 2,
                [&](std::span<float> g) { first_grads.assign(g.begin(), g.end()); });
  Trainer rank1(two, data, options, 1, 1, 2, [&](std::span<float> g) {
    for (std::size_t i = 0; i < g.size(); ++i) g[i] += first_grads[i];
    sum.assign(g.begin(), g.end());
  });
  rank0.advance();
  rank1.advance();
  Supernet again(space, 1);
  Trainer replay(again, data, options, 1, 0, 2,
                 [&](std::span<float> g) { std::copy(sum.begin(), sum.end(), g.begin()); });
  replay.advance();
  EXPECT_TRUE(std::equal(two.values().begin(), two.values().end(), again.values().begin()));
}

TEST(Qat, GivesAnIntegerNetworkThatSolvesTheToyProblem) {
  const auto space = small_space();
  const data::Dataset data(toy_images(1400), toy_options(), 1);
  Supernet net(space, 1);
  TrainOptions options;
  options.epochs = 8;
  options.batch = 50;
  options.learning_rate = 0.05;
  Trainer trainer(net, data, options, 1, 0, 1, [](std::span<float>) {});
  while (!trainer.done()) trainer.advance();
  nn::Executor executor;
  QatOptions qat;
  qat.steps = 40;
  qat.batch = 50;
  for (int bits : {8, 4}) {
    const auto genome = space.with_uniform_bits(space.largest(), bits);
    QatTrainer t(
        net, genome, data, qat, 0, 1, [](std::span<float>) {}, executor);
    while (!t.done()) t.advance();
    EXPECT_GT(validate_integer(quant::lower(t.model()), data, 0), bits == 8 ? 0.9 : 0.8);
  }
}

// What the teacher said of a batch to one network is kept for the next: not a bit may differ from asking
// again.
TEST(Qat, ASharedTeacherSaysWhatATeacherOfItsOwnSays) {
  const auto space = small_space();
  const data::Dataset data(toy_images(300), toy_options(), 1);
  Supernet net(space, 1);
  nn::Executor executor;
  QatOptions qat;
  qat.steps = 8;
  qat.batch = 50;
  qat.distillation = 0.5;
  const auto shared = std::make_shared<Teacher>(net, data, qat.batch_statistics_images, executor);
  const auto trained = [&](const space::Genome& genome, std::shared_ptr<Teacher> teacher) {
    QatTrainer t(
        net, genome, data, qat, 0, 1, [](std::span<float>) {}, executor, std::move(teacher));
    while (!t.done()) t.advance();
    return std::vector<float>(t.model().values.begin(), t.model().values.end());
  };
  for (const auto& genome : {space.smallest(), space.largest()})
    for (const std::uint64_t order : {0, 1})
      for (const int batch : {50, 25}) {
        qat.data_order = order;
        qat.batch = batch;
        EXPECT_EQ(trained(genome, shared), trained(genome, nullptr)) << order << " " << batch;
      }
}

// With soft labels alone the student is pulled to the teacher's answers, whatever the labels say.
TEST(Qat, DistillationAloneFollowsTheLargestNetworkAndNotTheLabels) {
  const auto space = small_space();
  const data::Dataset data(toy_images(1400), toy_options(), 1);
  data::ImageSet wrong = toy_images(1400);
  for (auto& label : wrong.labels) label = (label + 1) % wrong.classes;
  const data::Dataset mislabelled(std::move(wrong), toy_options(), 1);
  Supernet net(space, 1);
  TrainOptions options;
  options.epochs = 8;
  options.batch = 50;
  options.learning_rate = 0.05;
  Trainer trainer(net, data, options, 1, 0, 1, [](std::span<float>) {});
  while (!trainer.done()) trainer.advance();
  nn::Executor executor;
  for (const double distillation : {1.0, 0.0}) {
    QatOptions qat;
    qat.steps = 60;
    qat.batch = 50;
    qat.learning_rate = 0.02;
    qat.distillation = distillation;
    QatTrainer t(
        net, space.smallest(), mislabelled, qat, 0, 1, [](std::span<float>) {}, executor);
    while (!t.done()) t.advance();
    const double accuracy = validate_integer(quant::lower(t.model()), data, 0);
    if (distillation > 0)
      EXPECT_GT(accuracy, 0.8);
    else
      EXPECT_LT(accuracy, 0.5);
  }
}

}  // namespace
}  // namespace apq::supernet
