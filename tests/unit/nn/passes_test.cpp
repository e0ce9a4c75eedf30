// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/passes.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <type_traits>
#include <vector>

#include "apq/core/random.hpp"
#include "apq/nn/bf16.hpp"
#include "nn/kernels/pair_kernels.hpp"

namespace apq::nn {
namespace {

using Values = std::vector<float>;

Values random_values(std::int64_t n, std::uint64_t key, double spread = 1) {
  RandomStream random(11, Purpose::test, key);
  Values v(static_cast<std::size_t>(n));
  for (float& x : v) x = static_cast<float>(spread * random.normal());
  return v;
}

/// Values as they are stored, and back.
template <class T>
std::vector<T> stored(const Values& v) {
  std::vector<T> to(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) assign(to[i], v[i]);
  return to;
}
template <class T>
Values floats(const std::vector<T>& v) {
  Values to(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) to[i] = to_float(v[i]);
  return to;
}

/// How far a stored number may be from the one that was to be stored, relative to it.
template <class T>
constexpr double kRounding = std::is_same_v<T, Bf16> ? 1.0 / 256 : 0;

/// Whether a product rounds what it multiplies to bf16.
template <class T>
bool rounds(Kind kind) {
  return std::is_same_v<T, Bf16> && kind == Kind::pointwise && kernels::pair_kernels();
}
/// What a product multiplies.
template <class T>
Values operand(Kind kind, const Values& v) {
  return rounds<T>(kind) ? floats(stored<Bf16>(v)) : v;
}
/// Its tolerance: a last bit of a float may round a number the other way.
template <class T>
double tolerance(Kind kind, double of_floats) {
  return rounds<T>(kind) ? 2e-3 : of_floats;
}

/// `tolerance` is relative to the largest value, `rounding` to each.
void expect_close(const Values& fast, const Values& plain, double tolerance, double rounding = 0) {
  ASSERT_EQ(fast.size(), plain.size());
  double scale = 1e-6;
  for (const float v : plain) scale = std::max(scale, std::abs(static_cast<double>(v)));
  for (std::size_t i = 0; i < fast.size(); ++i)
    ASSERT_NEAR(fast[i], plain[i], tolerance * scale + rounding * std::abs(static_cast<double>(plain[i])))
        << "at " << i << " of " << fast.size();
}

/// One layer with a normalised layer before it and a normalisation of its own, by plain operators. Tensors
/// are numbers of both storage types.
struct Case {
  Kind kind;
  ConvShape s;
  int ld;
  Values z_in, scale_in, shift_in, mean_in, inv_std_in;  ///< of the layer before
  Values w, dy, scale, shift, mean, a, b;
  float high = 6;

  Case(Kind kind, const ConvShape& shape) : kind(kind), s(shape), ld(shape.cout + 8) {
    z_in = floats(stored<Bf16>(random_values(s.rows_in() * s.cin, 1, 2)));
    scale_in = random_values(s.cin, 2);
    shift_in = random_values(s.cin, 3);
    mean_in = random_values(s.cin, 4);
    inv_std_in = Values(static_cast<std::size_t>(s.cin), 0.7f);
    w = random_values(weight_rows() * ld, 5, 1 / std::sqrt(weight_rows()));
    dy = floats(stored<Bf16>(random_values(s.rows_out() * s.cout, 6)));
    scale = random_values(s.cout, 7);
    shift = random_values(s.cout, 8);
    mean = random_values(s.cout, 9);
    a = random_values(s.cout, 10, 0.1);
    b = random_values(s.cout, 11, 0.1);
  }

  std::int64_t weight_rows() const {
    return std::int64_t{s.kernel} * s.kernel * (kind == Kind::depthwise ? 1 : s.cin);
  }
  Activation before() const { return {scale_in.data(), shift_in.data(), high, 0}; }

  Values plain_input() const {
    if (kind == Kind::dense) return z_in;
    Values x(z_in.size());
    ref::affine_activate(s.rows_in(), s.cin, z_in.data(), scale_in.data(), shift_in.data(), high, 0, nullptr,
                         x.data());
    return x;
  }
  Values plain_columns(const Values& x) const {
    if (kind != Kind::dense) return x;
    Values columns(static_cast<std::size_t>(s.rows_out() * weight_rows()));
    ref::im2col(s, x.data(), 0, columns.data());
    return columns;
  }
  template <class T = float>
  Values plain_forward() const {
    const Values x = operand<T>(kind, plain_columns(plain_input())), w = operand<T>(kind, this->w);
    Values z(dy.size());
    if (kind == Kind::depthwise)
      ref::depthwise_forward(s, x.data(), w.data(), ld, z.data());
    else
      ref::pointwise_forward(s.rows_out(), static_cast<int>(weight_rows()), s.cout, x.data(), w.data(), ld,
                             z.data());
    return z;
  }
};

class Passes : public ::testing::TestWithParam<std::tuple<int, Kind>> {
 protected:
  void SetUp() override { set_threads(std::get<0>(GetParam())); }
  void TearDown() override { set_threads(1); }

  static std::vector<Case> cases() {
    std::vector<Case> cases;
    const Kind kind = std::get<1>(GetParam());
    if (kind == Kind::pointwise) {
      for (const auto [batch, size, cin, cout] :
           {std::array{3, 7, 16, 96}, std::array{2, 9, 96, 24}, std::array{1, 3, 8, 40},
            std::array{5, 14, 40, 64}, std::array{3, 5, 7, 19}})
        cases.emplace_back(kind, ConvShape{batch, size, cin, cout, 1, 1});
    } else if (kind == Kind::linear) {
      cases.emplace_back(kind, ConvShape{5, 1, 24, 10, 1, 1});
    } else if (kind == Kind::dense) {
      for (const int stride : {1, 2})
        for (const int size : {2, 9}) cases.emplace_back(kind, ConvShape{3, size, 3, 16, 3, stride});
    } else {
      for (const int kernel : {3, 5, 7})
        for (const int stride : {1, 2})
          for (const int size : {1, 5, 8})
            for (const int channels : {8, 40})
              cases.emplace_back(kind, ConvShape{3, size, channels, channels, kernel, stride});
    }
    return cases;
  }
};

INSTANTIATE_TEST_SUITE_P(ThreadsAndKinds, Passes,
                         ::testing::Combine(::testing::Values(1, 2),
                                            ::testing::Values(Kind::dense, Kind::pointwise, Kind::depthwise,
                                                              Kind::linear)));

/// The pass on tensors stored as T against plain operators on the same numbers. Statistics are those of what
/// was stored.
template <class T>
void expect_forward_agrees(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    Values mean(static_cast<std::size_t>(c.s.cout)), variance(mean), mean_plain(mean), variance_plain(mean);
    const auto z_in = stored<T>(c.z_in);
    std::vector<T> z(c.dy.size());
    convolve(c.kind, c.s, {z_in.data(), c.kind == Kind::dense ? Activation{} : c.before()}, c.w.data(), c.ld,
             z.data(), {mean.data(), variance.data()});
    const Values fast = floats(z);
    expect_close(fast, c.plain_forward<T>(), tolerance<T>(c.kind, 2e-5), kRounding<T>);
    ref::batch_statistics(c.s.rows_out(), c.s.cout, fast.data(), mean_plain.data(), variance_plain.data());
    expect_close(mean, mean_plain, 1e-4);
    expect_close(variance, variance_plain, 1e-4);
  }
}

TEST_P(Passes, ForwardAgreesWithThePlainOperators) { expect_forward_agrees<float>(cases()); }
TEST_P(Passes, ForwardInBf16IsThePlainResultOfWhatIsMultipliedRoundedOnce) {
  expect_forward_agrees<Bf16>(cases());
}

template <class T>
void expect_backward_agrees(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const ConvShape& s = c.s;
    const int depth = static_cast<int>(c.weight_rows());
    const auto z_stored = stored<T>(c.plain_forward()), z_in = stored<T>(c.z_in), dy = stored<T>(c.dy);
    const Values z = floats(z_stored), x = c.plain_input(), columns = c.plain_columns(x);
    Values dz(z.size());
    for (std::size_t i = 0; i < dz.size(); ++i) {
      const std::size_t k = i % static_cast<std::size_t>(s.cout);
      const float v = z[i] * c.scale[k] + c.shift[k];
      dz[i] = c.scale[k] * (v > 0 && v < c.high ? c.dy[i] : 0) - c.a[k] - (z[i] - c.mean[k]) * c.b[k];
    }
    const Values left = operand<T>(c.kind, columns), right = operand<T>(c.kind, dz),
                 w = operand<T>(c.kind, c.w);
    std::vector<T> dx(x.size());
    Values dx_plain(x.size()), dw_plain = random_values(depth * c.ld, 12), dw = dw_plain;
    if (c.kind == Kind::depthwise) {
      ref::depthwise_backward_weights(s, x.data(), dz.data(), dw_plain.data(), c.ld);
      ref::depthwise_backward_data(s, dz.data(), c.w.data(), c.ld, dx_plain.data());
    } else {
      ref::pointwise_backward_weights(s.rows_out(), depth, s.cout, left.data(), right.data(), dw_plain.data(),
                                      c.ld);
      if (c.kind != Kind::dense)
        ref::pointwise_backward_data(s.rows_out(), depth, s.cout, right.data(), w.data(), c.ld,
                                     dx_plain.data());
    }

    OutputGradientOf<T> gradient(dy.data());
    gradient.z = z_stored.data();
    gradient.activation = {c.scale.data(), c.shift.data(), c.high, 0};
    gradient.mean = c.mean.data();
    gradient.a = c.a.data();
    gradient.b = c.b.data();
    const bool dense = c.kind == Kind::dense;
    Values sum(static_cast<std::size_t>(s.cin)), sum_xhat(sum), sum_plain(sum), sum_xhat_plain(sum);
    InputSums sums;
    if (!dense) sums = {c.mean_in.data(), c.inv_std_in.data(), sum.data(), sum_xhat.data()};
    convolve_backward(c.kind, s, InputOf<T>{z_in.data(), dense ? Activation{} : c.before()}, c.w.data(), c.ld,
                      gradient, dw.data(), c.ld, dense ? nullptr : dx.data(), sums);
    expect_close(dw, dw_plain, tolerance<T>(c.kind, 5e-5));
    if (dense) continue;
    const Values dx_fast = floats(dx);
    expect_close(dx_fast, dx_plain, tolerance<T>(c.kind, 5e-5), kRounding<T>);
    ref::normalise_backward_sums(s.rows_in(), s.cin, c.z_in.data(), dx_fast.data(), c.mean_in.data(),
                                 c.inv_std_in.data(), c.scale_in.data(), c.shift_in.data(), c.high,
                                 sum_plain.data(), sum_xhat_plain.data());
    expect_close(sum, sum_plain, 1e-4);
    expect_close(sum_xhat, sum_xhat_plain, 1e-4);
  }
}

TEST_P(Passes, BackwardAgreesWithThePlainOperators) { expect_backward_agrees<float>(cases()); }
TEST_P(Passes, BackwardInBf16IsThePlainResultOfWhatIsMultipliedRoundedOnce) {
  expect_backward_agrees<Bf16>(cases());
}

// As in quantization-aware training: no normalisation, a bias, and a clip that learns.
TEST_P(Passes, BackwardWithoutNormalisationGivesTheGradientsOfShiftAndClip) {
  for (const Case& c : cases()) {
    const Values z = c.plain_forward();
    Values dz(z.size()), dshift(static_cast<std::size_t>(c.s.cout), 0.5f), dshift_plain = dshift;
    const double clipped_plain =
        ref::activate_backward(c.s.rows_out(), c.s.cout, z.data(), nullptr, c.shift.data(), 1.5f, c.dy.data(),
                               dz.data(), dshift_plain.data());
    OutputGradient gradient(c.dy.data());
    double clipped = 0;
    gradient.z = z.data();
    gradient.activation = {nullptr, c.shift.data(), 1.5f, 0};
    gradient.dshift = dshift.data();
    gradient.clipped = &clipped;
    const int depth = static_cast<int>(c.weight_rows());
    Values dw(static_cast<std::size_t>(depth) * static_cast<std::size_t>(c.ld));
    convolve_backward(c.kind, c.s, Input{c.z_in.data(), c.kind == Kind::dense ? Activation{} : c.before()},
                      c.w.data(), c.ld, gradient, dw.data(), c.ld, nullptr);
    EXPECT_NEAR(clipped, clipped_plain, 1e-3 + 1e-4 * std::abs(clipped_plain));
    expect_close(dshift, dshift_plain, 1e-4);
  }
}

TEST(PassesOfThreads, AMeanFarFromZeroCostsNoPrecision) {
  set_threads(2);
  Values x = random_values(333 * 8, 1, 3), w(64), z(x.size()), mean(8), variance(8), mean_plain(8),
         variance_plain(8);
  for (float& v : x) v += 50;
  for (std::size_t i = 0; i < 8; ++i) w[i * 9] = 1;  // the identity
  convolve(Kind::pointwise, {333, 1, 8, 8, 1, 1}, {x.data(), {}}, w.data(), 8, z.data(),
           {mean.data(), variance.data()});
  EXPECT_EQ(z, x);
  ref::batch_statistics(333, 8, x.data(), mean_plain.data(), variance_plain.data());
  expect_close(mean, mean_plain, 1e-6);
  expect_close(variance, variance_plain, 1e-5);
  set_threads(1);
}

TEST(PassesOfThreads, SumsAreTheSameEveryTime) {
  set_threads(2);
  const Case c(Kind::pointwise, {4, 14, 24, 96, 1, 1});
  Values first;
  for (int repeat = 0; repeat < 3; ++repeat) {
    Values dw(static_cast<std::size_t>(24 * c.ld)), dx(c.z_in.size());
    convolve_backward(c.kind, c.s, Input{c.z_in.data(), c.before()}, c.w.data(), c.ld,
                      OutputGradient(c.dy.data()), dw.data(), c.ld, dx.data());
    if (repeat == 0) first = dw;
    EXPECT_EQ(first, dw);
  }
  set_threads(1);
}

}  // namespace
}  // namespace apq::nn
