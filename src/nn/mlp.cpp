// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/nn/mlp.hpp"

#include <fmt/ranges.h>
#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <optional>

#include "apq/core/error.hpp"
#include "apq/nn/buffer.hpp"
#include "apq/nn/ops.hpp"
#include "nn/kernels/mlp_kernels.hpp"
#include "nn/onednn/matmul.hpp"

namespace apq::nn {

using kernels::kMlpLanes;
using kernels::kMlpPanel;
using kernels::mlp_kernels;

namespace {

constexpr const char* kPrecisionNames[] = {"fp32", "bf16", "int8"};
/// Inputs per pass: activations stay in the second-level cache, and weights are read once for many.
constexpr std::int64_t kPass = 240;
/// Shares of threads are multiples of this, the rows of a register block.
constexpr std::int64_t kShare = 12;

int padded(int width) { return (width + kMlpLanes - 1) / kMlpLanes * kMlpLanes; }

/// rows x columns into rows_to x columns_to, filled up with zeros.
std::vector<float> pad(const std::vector<float>& from, int rows, int columns, int rows_to, int columns_to) {
  APQ_ASSERT(from.size() == static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  std::vector<float> to(static_cast<std::size_t>(rows_to) * columns_to, 0.0f);
  for (int r = 0; r < rows; ++r)
    std::copy_n(&from[static_cast<std::size_t>(r) * columns], columns,
                &to[static_cast<std::size_t>(r) * columns_to]);
  return to;
}

/// body(begin, end) on each thread's share of 0..rows.
template <class Body>
void over_rows(std::int64_t rows, Body body) {
  const std::int64_t shares = (rows + kShare - 1) / kShare;
  const int parts = static_cast<int>(std::min<std::int64_t>(threads(), shares));
  if (parts <= 1) {
    body(std::int64_t{0}, rows);
    return;
  }
#pragma omp parallel for num_threads(parts)
  for (int part = 0; part < parts; ++part)
    body(shares * part / parts * kShare, std::min(shares * (part + 1) / parts * kShare, rows));
}

/// To the nearest bfloat16, ties to even; finite values only.
float to_bf16(float value) {
  auto bits = std::bit_cast<std::uint32_t>(value);
  bits += 0x7fff + ((bits >> 16) & 1);
  return std::bit_cast<float>(bits & 0xffff0000u);
}

}  // namespace

std::vector<std::string> precisions() { return {std::begin(kPrecisionNames), std::end(kPrecisionNames)}; }

Precision precision_from_name(const std::string& name) {
  const auto* found = std::ranges::find(kPrecisionNames, name);
  validate(found != std::end(kPrecisionNames), ErrorKind::usage,
           "precision \"{}\" is unknown (there are {}) choose one of these", name,
           fmt::join(precisions(), ", "));
  return static_cast<Precision>(found - std::begin(kPrecisionNames));
}

class Mlp::Layer {
 public:
  virtual ~Layer() = default;
  /// y = relu(x w + bias) for up to kPass rows; both have room for kPass.
  virtual void run(std::int64_t rows, const float* x, float* y) = 0;
};

class Mlp::Fp32Layer : public Layer {
 public:
  Fp32Layer(int ld, const std::vector<float>& weights, std::vector<float> bias)
      : ld_(ld), bias_(std::move(bias)) {
    const std::size_t panels = static_cast<std::size_t>((ld + kMlpPanel - 1) / kMlpPanel);
    packed_.resize(panels * static_cast<std::size_t>(ld) * kMlpPanel);
    std::ranges::fill(packed_, 0.0f);
    for (int k = 0; k < ld; ++k)
      for (int c = 0; c < ld; ++c)
        packed_[(static_cast<std::size_t>(c / kMlpPanel) * ld + k) * kMlpPanel + c % kMlpPanel] =
            weights[static_cast<std::size_t>(k) * ld + c];
  }
  void run(std::int64_t rows, const float* x, float* y) override {
    over_rows(rows, [&](std::int64_t begin, std::int64_t end) {
      mlp_kernels().dense_relu(end - begin, ld_, x + begin * ld_, packed_.data(), bias_.data(),
                               y + begin * ld_);
    });
  }

 private:
  int ld_;
  AlignedVector<float> packed_;
  std::vector<float> bias_;
};

/// On AMX through oneDNN; elsewhere float products of the rounded numbers, which are exact, are no slower.
class Mlp::Bf16Layer : public Layer {
 public:
  Bf16Layer(int ld, std::vector<float> weights, std::vector<float> bias) : ld_(ld), bias_(std::move(bias)) {
    std::ranges::transform(weights, weights.begin(), to_bf16);
    if (onednn::has_amx())
      product_ = onednn::Matmul::bf16(kPass, ld, ld, weights);
    else
      float_.emplace(ld, weights, bias_);
  }
  void run(std::int64_t rows, const float* x, float* y) override {
    if (float_) {
      float* rounded = rounded_.get(static_cast<std::size_t>(rows * ld_));
      std::transform(x, x + rows * ld_, rounded, to_bf16);
      float_->run(rows, rounded, y);
      return;
    }
    std::uint16_t* upper = upper_.get(static_cast<std::size_t>(kPass * ld_));
    std::transform(x, x + rows * ld_, upper, [](float value) {
      return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(to_bf16(value)) >> 16);
    });
    product_->run(upper, y);
    mlp_kernels().bias_relu(rows, ld_, y, bias_.data(), y);
  }

 private:
  int ld_;
  std::vector<float> bias_;
  std::optional<onednn::Matmul> product_;
  std::optional<Fp32Layer> float_;
  Scratch<float> rounded_;
  Scratch<std::uint16_t> upper_;
};

class Mlp::Int8Layer : public Layer {
 public:
  /// `largest` input activation decides the step of the inputs; larger ones are clipped.
  Int8Layer(int ld, const std::vector<float>& weights, std::vector<float> bias, float largest)
      : ld_(ld), ratio_(largest > 0 ? 255 / largest : 1), bias_(std::move(bias)) {
    const auto n = static_cast<std::size_t>(ld);
    std::vector<std::int8_t> steps(n * n);
    for (std::size_t c = 0; c < n; ++c) {
      float top = 0;
      for (std::size_t k = 0; k < n; ++k) top = std::max(top, std::abs(weights[k * n + c]));
      const float step = top > 0 ? top / static_cast<float>(onednn::Matmul::largest_weight()) : 1;
      for (std::size_t k = 0; k < n; ++k)
        steps[k * n + c] = static_cast<std::int8_t>(std::lround(weights[k * n + c] / step));
      scale_.push_back(step / ratio_);
    }
    product_ = onednn::Matmul::int8(kPass, ld, ld, steps);
  }
  void run(std::int64_t rows, const float* x, float* y) override {
    std::uint8_t* in = in_.get(static_cast<std::size_t>(kPass * ld_));
    std::int32_t* sums = sums_.get(static_cast<std::size_t>(kPass * ld_));
    over_rows(rows, [&](std::int64_t begin, std::int64_t end) {
      mlp_kernels().to_u8((end - begin) * ld_, x + begin * ld_, ratio_, in + begin * ld_);
    });
    product_->run(in, sums);
    over_rows(rows, [&](std::int64_t begin, std::int64_t end) {
      mlp_kernels().rescale_relu(end - begin, ld_, sums + begin * ld_, scale_.data(), bias_.data(),
                                 y + begin * ld_);
    });
  }

 private:
  int ld_;
  float ratio_;
  std::vector<float> bias_, scale_;
  std::optional<onednn::Matmul> product_;
  Scratch<std::uint8_t> in_;
  Scratch<std::int32_t> sums_;
};

Mlp::Mlp(const MlpWeights& weights, Precision precision, const Picks& calibration)
    : hidden_(weights.hidden), ld_(padded(hidden_)), output_bias_(weights.output_bias) {
  const int rows = static_cast<int>(weights.table.size()) / hidden_;
  const auto table = pad(weights.table, rows, hidden_, rows, ld_);
  table_.assign(table.begin(), table.end());
  const int late_rows = static_cast<int>(weights.late_table.size()) / hidden_;
  const auto late_table = pad(weights.late_table, late_rows, hidden_, late_rows, ld_);
  late_table_.assign(late_table.begin(), late_table.end());
  APQ_ASSERT(late_rows == 0 || precision != Precision::int8);
  first_bias_ = pad(weights.first_bias, 1, hidden_, 1, ld_);
  output_ = pad(weights.output, 1, hidden_, 1, ld_);
  const auto second = pad(weights.second, hidden_, hidden_, ld_, ld_);
  const auto third = pad(weights.third, hidden_, hidden_, ld_, ld_);
  const auto second_bias = pad(weights.second_bias, 1, hidden_, 1, ld_);
  const auto third_bias = pad(weights.third_bias, 1, hidden_, 1, ld_);
  std::vector<float> x(static_cast<std::size_t>(kPass * ld_)), y(x.size());
  std::vector<float> largest(2, 0.0f);
  if (precision == Precision::int8) {
    Fp32Layer exact(ld_, second, second_bias);
    for (std::int64_t begin = 0; begin < calibration.count(); begin += kPass) {
      const std::int64_t end = std::min(begin + kPass, calibration.count());
      first_layer(calibration, begin, end, x.data());
      exact.run(end - begin, x.data(), y.data());
      for (std::int64_t i = 0; i < (end - begin) * ld_; ++i) {
        largest[0] = std::max(largest[0], x[static_cast<std::size_t>(i)]);
        largest[1] = std::max(largest[1], y[static_cast<std::size_t>(i)]);
      }
    }
  }
  const auto make = [&](const std::vector<float>& w, const std::vector<float>& bias,
                        float top) -> std::unique_ptr<Layer> {
    switch (precision) {
      case Precision::bf16:
        return std::make_unique<Bf16Layer>(ld_, w, bias);
      case Precision::int8:
        return std::make_unique<Int8Layer>(ld_, w, bias, top);
      default:
        return std::make_unique<Fp32Layer>(ld_, w, bias);
    }
  };
  second_ = make(second, second_bias, largest[0]);
  third_ = make(third, third_bias, largest[1]);
}

Mlp::Mlp(Mlp&&) noexcept = default;
Mlp::~Mlp() = default;

void Mlp::first_layer(const Picks& picks, std::int64_t begin, std::int64_t end, float* x) const {
  over_rows(end - begin, [&](std::int64_t from, std::int64_t to) {
    mlp_kernels().sum_rows(begin + from, begin + to, picks.rows.data(), picks.ends.data(), table_.data(),
                           first_bias_.data(), ld_, x + from * ld_);
  });
}

void Mlp::add_late(const Picks& late, std::int64_t begin, std::int64_t end, float* x) const {
  over_rows(end - begin, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i)
      for (std::int64_t k = late.ends[static_cast<std::size_t>(begin + i)];
           k < late.ends[static_cast<std::size_t>(begin + i + 1)]; ++k) {
        const float* row =
            &late_table_[static_cast<std::size_t>(late.rows[static_cast<std::size_t>(k)]) * ld_];
        for (int c = 0; c < ld_; ++c) x[i * ld_ + c] += row[c];
      }
  });
}

void Mlp::run(const Picks& picks, std::span<float> outputs, const Picks* late) {
  APQ_ASSERT(static_cast<std::int64_t>(outputs.size()) == picks.count());
  APQ_ASSERT(!late || late->count() == picks.count());
  static thread_local Scratch<float> scratch;
  float* x = scratch.get(static_cast<std::size_t>(2 * kPass * ld_));
  float* y = x + kPass * ld_;
  for (std::int64_t begin = 0; begin < picks.count(); begin += kPass) {
    const std::int64_t end = std::min(begin + kPass, picks.count());
    first_layer(picks, begin, end, x);
    if (late) add_late(*late, begin, end, x);
    second_->run(end - begin, x, y);
    third_->run(end - begin, y, x);
    mlp_kernels().dot(end - begin, ld_, x, output_.data(), output_bias_,
                      &outputs[static_cast<std::size_t>(begin)]);
  }
}

}  // namespace apq::nn
