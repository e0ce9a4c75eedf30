// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/nn/ops.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "apq/core/random.hpp"

namespace apq::nn {
namespace {

std::vector<float> random_values(std::int64_t n, std::uint64_t key, double spread = 1) {
  RandomStream random(7, Purpose::test, key);
  std::vector<float> v(static_cast<std::size_t>(n));
  for (float& x : v) x = static_cast<float>(spread * random.normal());
  return v;
}

void expect_close(const std::vector<float>& fast, const std::vector<float>& plain, double tolerance) {
  ASSERT_EQ(fast.size(), plain.size());
  double scale = 1e-6;
  for (float v : plain) scale = std::max(scale, std::abs(static_cast<double>(v)));
  for (std::size_t i = 0; i < fast.size(); ++i)
    ASSERT_NEAR(fast[i], plain[i], tolerance * scale) << "at " << i << " of " << fast.size();
}

constexpr double kTolerance = 2e-5;

class Threads : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_threads(GetParam()); }
  void TearDown() override { set_threads(1); }
};
INSTANTIATE_TEST_SUITE_P(OneAndTwo, Threads, ::testing::Values(1, 2));

TEST_P(Threads, PointwiseOperatorsAgreeWithThePlainOnes) {
  for (const auto [rows, cin, cout, ld] : {std::array{98, 16, 96, 96}, std::array{196, 96, 24, 40},
                                           std::array{49, 8, 8, 56}, std::array{3, 1, 8, 8}}) {
    const auto x = random_values(rows * cin, 1), w = random_values(cin * ld, 2),
               g = random_values(rows * cout, 3);
    std::vector<float> fast(static_cast<std::size_t>(rows * cout)), plain(fast);
    pointwise_forward(rows, cin, cout, x.data(), w.data(), ld, fast.data());
    ref::pointwise_forward(rows, cin, cout, x.data(), w.data(), ld, plain.data());
    expect_close(fast, plain, kTolerance);
    std::vector<float> dx(x.size()), dx_plain(x.size());
    pointwise_backward_data(rows, cin, cout, g.data(), w.data(), ld, dx.data());
    ref::pointwise_backward_data(rows, cin, cout, g.data(), w.data(), ld, dx_plain.data());
    expect_close(dx, dx_plain, kTolerance);
    auto dw = random_values(cin * ld, 4), dw_plain = dw;
    pointwise_backward_weights(rows, cin, cout, x.data(), g.data(), dw.data(), ld);
    ref::pointwise_backward_weights(rows, cin, cout, x.data(), g.data(), dw_plain.data(), ld);
    expect_close(dw, dw_plain, kTolerance);
  }
}

TEST_P(Threads, NormalisationAgreesWithThePlainOne) {
  for (const auto [rows, c] : {std::array{333, 24}, std::array{64, 8}, std::array{5, 16}}) {
    const auto n = static_cast<std::size_t>(rows * c);
    auto z = random_values(rows * c, 1, 3);
    for (float& v : z) v += 50;  // a mean far from zero must not cost precision
    const auto dy = random_values(rows * c, 2), gamma = random_values(c, 3);
    const auto cs = static_cast<std::size_t>(c);
    std::vector<float> mean_plain(cs), variance_plain(cs);
    ref::batch_statistics(rows, c, z.data(), mean_plain.data(), variance_plain.data());
    std::vector<float> inv_std(cs), scale(cs), shift(cs);
    for (std::size_t i = 0; i < cs; ++i) {
      inv_std[i] = 1 / std::sqrt(variance_plain[i] + 1e-3f);
      scale[i] = gamma[i] * inv_std[i];
      shift[i] = 1 - mean_plain[i] * scale[i];
    }
    for (float high : {-1.0f, 1.5f}) {
      std::vector<float> y(n), y_plain(n), s(cs), q(cs), s_plain(cs), q_plain(cs);
      affine_activate(rows, c, z.data(), scale.data(), shift.data(), high, 0, nullptr, y.data());
      ref::affine_activate(rows, c, z.data(), scale.data(), shift.data(), high, 0, nullptr, y_plain.data());
      expect_close(y, y_plain, 1e-4);
      normalise_backward_sums(rows, c, z.data(), dy.data(), mean_plain.data(), inv_std.data(), scale.data(),
                              shift.data(), high, s.data(), q.data());
      ref::normalise_backward_sums(rows, c, z.data(), dy.data(), mean_plain.data(), inv_std.data(),
                                   scale.data(), shift.data(), high, s_plain.data(), q_plain.data());
      expect_close(s, s_plain, 1e-4);
      expect_close(q, q_plain, 1e-4);
    }
  }
}

TEST_P(Threads, ActivationAndQuantizersAgreeWithThePlainOnes) {
  const int rows = 150, c = 24;
  const auto n = static_cast<std::size_t>(rows * c);
  const auto z = random_values(rows * c, 1, 4), dy = random_values(rows * c, 2), shift = random_values(c, 3);
  const auto residual = random_values(rows * c, 5);
  std::vector<float> a(n), b(n);
  affine_activate(rows, c, z.data(), nullptr, shift.data(), -1, 0, residual.data(), a.data());
  ref::affine_activate(rows, c, z.data(), nullptr, shift.data(), -1, 0, residual.data(), b.data());
  expect_close(a, b, 1e-6);
  affine_activate(rows, c, z.data(), nullptr, shift.data(), 4, 0.25f, nullptr, a.data());
  ref::affine_activate(rows, c, z.data(), nullptr, shift.data(), 4, 0.25f, nullptr, b.data());
  expect_close(a, b, 1e-6);
  for (bool is_signed : {false, true}) {
    fake_quantize(static_cast<std::int64_t>(n), z.data(), 3, 0.5f, is_signed, a.data());
    ref::fake_quantize(static_cast<std::int64_t>(n), z.data(), 3, 0.5f, is_signed, b.data());
    EXPECT_EQ(a, b);
    const double d =
        fake_quantize_backward(static_cast<std::int64_t>(n), z.data(), 3, is_signed, dy.data(), a.data());
    const double d_plain = ref::fake_quantize_backward(static_cast<std::int64_t>(n), z.data(), 3, is_signed,
                                                       dy.data(), b.data());
    EXPECT_NEAR(d, d_plain, 1e-3);
    EXPECT_EQ(a, b);
  }
}

TEST_P(Threads, PoolingAgreesWithThePlainOne) {
  const auto x = random_values(2 * 49 * 24, 1), dy = random_values(2 * 24, 2);
  std::vector<float> a(48), b(48), da(x.size()), db(x.size());
  average_pool_forward(2, 49, 24, x.data(), a.data());
  ref::average_pool_forward(2, 49, 24, x.data(), b.data());
  expect_close(a, b, 1e-5);
  average_pool_backward(2, 49, 24, dy.data(), da.data());
  ref::average_pool_backward(2, 49, 24, dy.data(), db.data());
  expect_close(da, db, 1e-6);
}

TEST(Loss, GradientMatchesFiniteDifferences) {
  const int batch = 3, classes = 5;
  auto logits = random_values(batch * classes, 1);
  auto teacher = random_values(batch * classes, 2);
  softmax(batch, classes, teacher.data(), teacher.data());
  const std::int32_t labels[] = {0, 4, 2};
  std::vector<float> grad(logits.size()), unused(logits.size());
  softmax_cross_entropy(batch, classes, logits.data(), labels, 0.1f, teacher.data(), 0.4f, grad.data());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float h = 1e-2f, keep = logits[i];
    logits[i] = keep + h;
    const double up = softmax_cross_entropy(batch, classes, logits.data(), labels, 0.1f, teacher.data(), 0.4f,
                                            unused.data());
    logits[i] = keep - h;
    const double down = softmax_cross_entropy(batch, classes, logits.data(), labels, 0.1f, teacher.data(),
                                              0.4f, unused.data());
    logits[i] = keep;
    EXPECT_NEAR(grad[i], (up - down) / (2 * h), 1e-4);
  }
}

TEST(Loss, CountsTheLowestIndexOnTies) {
  const float logits[] = {1, 1, 0, 0, 2, 2};
  const std::int32_t labels[] = {0, 2};
  EXPECT_EQ(count_correct(2, 3, logits, labels), 1);
}

TEST(Sgd, FollowsNesterovByHand) {
  std::vector<float> v{1, 1}, g{0.5f, 0.5f}, m{0.2f, 0.2f};
  sgd_step({.learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = 0.01f, .nesterov = true}, v, g, m, 1);
  // decayed: g = 0.51, m = 0.69, step 0.1 * (0.51 + 0.621); plain: g = 0.5, m = 0.68, 0.1 * (0.5 + 0.612)
  EXPECT_NEAR(v[0], 1 - 0.1131, 1e-6);
  EXPECT_NEAR(v[1], 1 - 0.1112, 1e-6);
  EXPECT_EQ(g[0], 0);
}

}  // namespace
}  // namespace apq::nn
