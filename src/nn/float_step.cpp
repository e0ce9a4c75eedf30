// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/float_step.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "nn/kernels/inference_kernels.hpp"

namespace apq::nn {
namespace {

using kernels::Depthwise;
using kernels::Finish;
using kernels::float_kernels;
using kernels::inference_kernels;
using kernels::kLanes;

/// Expanded channels that go through a bottleneck together, and rows of its projection: measured.
constexpr int kChunk = 192, kProjectedRows = 32;

std::int64_t padded(int channels) { return (std::int64_t{channels} + kLanes - 1) / kLanes * kLanes; }

/// Scale and shift after a layer's sums, with zeros to the end of the last vector.
class Affine {
 public:
  explicit Affine(const Layer& layer) : layer_(layer) {}

  void fill(float epsilon) {
    const auto n = static_cast<std::size_t>(layer_.cout);
    shift_.assign(layer_.beta.value, layer_.beta.value + n);
    scale_.assign(n, 1.0f);
    for (std::size_t c = 0; layer_.gamma.value && c < n; ++c) {
      const float inv_std = 1.0f / std::sqrt(layer_.variance[c] + epsilon);
      scale_[c] = layer_.gamma.value[c] * inv_std;
      shift_[c] -= layer_.mean[c] * scale_[c];
    }
    for (auto* values : {&scale_, &shift_})
      values->resize(static_cast<std::size_t>(padded(layer_.cout)), 0.0f);
  }

  /// From this channel on.
  Finish finish(std::int64_t channel = 0) const {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    return {scale_.data() + channel, shift_.data() + channel, layer_.relu6 ? 0.0f : -kInfinity,
            layer_.relu6 ? 6.0f : kInfinity, nullptr};
  }

 private:
  const Layer& layer_;
  std::vector<float> scale_, shift_;
};

class ProductStep final : public FloatStep {
 public:
  ProductStep(const Layer& layer, float epsilon) : l_(layer), epsilon_(epsilon), affine_(layer) {}

  std::int64_t elements_in() const override { return pixels() * l_.cin; }
  std::int64_t elements_out() const override { return pixels() * l_.cout; }
  int lines() const override { return width(); }
  std::int64_t weights() const override { return l_.cin * padded(l_.cout); }
  std::int64_t scratch() const override { return 0; }

  void pack(float* memory) override {
    affine_.fill(epsilon_);
    float_kernels().pack(l_.cin, l_.cout, l_.weight.value, l_.weight.ld, 1, memory);
    weights_ = memory;
  }

  void run(const float* in, float* out, int images, Range lines, float*, Laps& laps) const override {
    const Finish finish = affine_.finish();
    const int rows = static_cast<int>(lines.end - lines.begin) * width();
    laps.begin();
    for (int n = 0; n < images; ++n)
      inference_kernels().product(
          rows, l_.cout, l_.cin, in + n * elements_in() + lines.begin * width() * l_.cin, l_.cin, weights_,
          out + n * elements_out() + lines.begin * width() * l_.cout, l_.cout, false, &finish);
    laps.end(l_.kind);
  }

 private:
  int width() const { return l_.kind == Kind::linear ? 1 : l_.size; }
  std::int64_t pixels() const { return std::int64_t{width()} * width(); }

  const Layer& l_;
  float epsilon_;
  Affine affine_;
  const float* weights_ = nullptr;
};

/// A row of the kernel meets neighbouring floats of a line: one product per row, whose rows overlap.
class DenseStep final : public FloatStep {
 public:
  DenseStep(const Layer& layer, float epsilon) : l_(layer), epsilon_(epsilon), affine_(layer) {}

  std::int64_t elements_in() const override { return std::int64_t{l_.size} * l_.size * l_.cin; }
  std::int64_t elements_out() const override { return std::int64_t{l_.size_out()} * l_.size_out() * l_.cout; }
  int lines() const override { return l_.size_out(); }
  std::int64_t weights() const override { return l_.kernel * row_weights(); }
  std::int64_t scratch() const override { return padded(line_pixels() * l_.cin); }

  void pack(float* memory) override {
    affine_.fill(epsilon_);
    weights_ = memory;
    for (int ky = 0; ky < l_.kernel; ++ky)
      float_kernels().pack(depth(), l_.cout, l_.weight.value + std::int64_t{ky} * depth() * l_.weight.ld,
                           l_.weight.ld, 1, memory + ky * row_weights());
  }

  void run(const float* in, float* out, int images, Range lines, float* scratch, Laps& laps) const override {
    laps.begin();
    std::fill_n(scratch, line_pixels() * l_.cin, 0.0f);
    for (int n = 0; n < images; ++n)
      for (std::int64_t line = lines.begin; line < lines.end; ++line)
        run_line(in + n * elements_in(), static_cast<int>(line),
                 out + n * elements_out() + line * l_.size_out() * l_.cout, scratch);
    laps.end(l_.kind);
  }

 private:
  int depth() const { return l_.kernel * l_.cin; }
  int line_pixels() const {
    return std::max((l_.size_out() - 1) * l_.stride + l_.kernel, l_.size + l_.kernel / 2);
  }
  std::int64_t row_weights() const { return depth() * padded(l_.cout); }

  void run_line(const float* image, int line, float* out, float* scratch) const {
    const Finish finish = affine_.finish();
    const int top = line * l_.stride - l_.kernel / 2;
    const int first = std::max(0, -top), last = std::min(l_.kernel, l_.size - top);
    for (int ky = first; ky < last; ++ky) {
      std::copy_n(image + std::int64_t{top + ky} * l_.size * l_.cin, l_.size * l_.cin,
                  scratch + l_.kernel / 2 * l_.cin);
      inference_kernels().product(l_.size_out(), l_.cout, depth(), scratch, l_.stride * l_.cin,
                                  weights_ + ky * row_weights(), out, l_.cout, ky > first,
                                  ky + 1 == last ? &finish : nullptr);
    }
  }

  const Layer& l_;
  float epsilon_;
  Affine affine_;
  const float* weights_ = nullptr;
};

/// Some of the expanded channels at a time go through all three layers, line by line: their expanded lines
/// wait in a ring, as many as the depthwise kernel is high, and the sums of the projection go on in the
/// output until the last channels have come.
class BottleneckStep final : public FloatStep {
 public:
  BottleneckStep(const Layer& expand, const Layer& depthwise, const Layer& project, float epsilon)
      : expand_(expand),
        depthwise_(depthwise),
        project_(project),
        epsilon_(epsilon),
        expanded_(expand),
        filtered_(depthwise),
        projected_(project),
        group_(std::max(1, kProjectedRows / width())) {}

  std::int64_t elements_in() const override {
    return std::int64_t{expand_.size} * expand_.size * expand_.cin;
  }
  std::int64_t elements_out() const override { return std::int64_t{width()} * width() * project_.cout; }
  int lines() const override { return width(); }
  std::int64_t weights() const override { return padded(expand_.cout) * weights_per_channel(); }
  std::int64_t scratch() const override { return kChunk * (ring_line() * kernel() + group_ * width()); }

  void pack(float* memory) override {
    for (Affine* affine : {&expanded_, &filtered_, &projected_}) affine->fill(epsilon_);
    weights_ = memory;
    for (int first = 0; first < expand_.cout; first += kChunk) pack_chunk(chunk_at(first));
  }

  void run(const float* in, float* out, int images, Range lines, float* scratch, Laps& laps) const override {
    laps.begin();
    for (int first = 0; first < expand_.cout; first += kChunk) {
      const Chunk chunk = chunk_at(first);
      std::fill_n(scratch, chunk.width * ring_line() * kernel(), 0.0f);
      for (int n = 0; n < images; ++n)
        run_chunk(chunk, in + n * elements_in(), out + n * elements_out(), lines, scratch, laps);
    }
  }

 private:
  /// Expanded channels and their part of the weights.
  struct Chunk {
    int first, channels, width;  ///< width: with what fills up the last vector
    float *expand, *depthwise, *project;
  };

  int width() const { return depthwise_.size_out(); }
  int kernel() const { return depthwise_.kernel; }
  int taps() const { return kernel() * kernel(); }
  std::int64_t ring_line() const {
    return Depthwise{depthwise_.size, width(), depthwise_.cin, kernel(), depthwise_.stride}.padded();
  }
  std::int64_t weights_per_channel() const { return expand_.cin + taps() + padded(project_.cout); }

  Chunk chunk_at(int first) const {
    Chunk c{first, std::min(kChunk, expand_.cout - first), 0, nullptr, nullptr, nullptr};
    c.width = static_cast<int>(padded(c.channels));
    c.expand = weights_ + first * weights_per_channel();
    c.depthwise = c.expand + std::int64_t{c.width} * expand_.cin;
    c.project = c.depthwise + std::int64_t{c.width} * taps();
    return c;
  }

  void pack_chunk(const Chunk& c) const {
    const Param &e = expand_.weight, &d = depthwise_.weight, &p = project_.weight;
    float_kernels().pack(expand_.cin, c.channels, e.value + c.first, e.ld, 1, c.expand);
    float* to = c.depthwise;
    for (int block = 0; block < c.channels; block += kLanes)
      for (int t = 0; t < taps(); ++t, to += kLanes) {
        const int used = std::min(kLanes, c.channels - block);
        std::fill(std::copy_n(d.value + t * std::int64_t{d.ld} + c.first + block, used, to), to + kLanes,
                  0.0f);
      }
    float_kernels().pack(c.channels, project_.cout, p.value + std::int64_t{c.first} * p.ld, p.ld, 1,
                         c.project);
  }

  void run_chunk(const Chunk& c, const float* in, float* out, Range lines, float* ring, Laps& laps) const {
    const int size = depthwise_.size, half = kernel() / 2;
    const std::int64_t ring_floats = ring_line() * c.width;
    float* filtered = ring + ring_floats * kernel();
    const Finish expanded = expanded_.finish(c.first), smooth = filtered_.finish(c.first);
    const auto line_of = [&](int y) { return ring + y % kernel() * ring_floats; };
    int next = std::max(0, static_cast<int>(lines.begin) * depthwise_.stride - half);
    std::int64_t waiting = lines.begin;  // first line that is not projected yet
    for (std::int64_t y = lines.begin; y < lines.end; ++y) {
      const int top = static_cast<int>(y) * depthwise_.stride - half;
      for (; next < std::min(size, top + kernel()); ++next)
        inference_kernels().product(size, c.width, expand_.cin, in + std::int64_t{next} * size * expand_.cin,
                                    expand_.cin, c.expand, line_of(next) + half * c.width, c.width, false,
                                    &expanded);
      laps.end(Kind::pointwise);
      const float* rows[7];
      for (int ky = 0; ky < kernel(); ++ky)
        rows[ky] = top + ky >= 0 && top + ky < size ? line_of(top + ky) : nullptr;
      inference_kernels().depthwise(kernel(), depthwise_.stride, width(), c.width, rows, c.depthwise, smooth,
                                    filtered + (y - waiting) * width() * c.width);
      laps.end(Kind::depthwise);
      if (y + 1 - waiting < group_ && y + 1 < lines.end) continue;
      project(c, filtered, static_cast<int>(y + 1 - waiting), in, out, waiting);
      laps.end(Kind::pointwise);
      waiting = y + 1;
    }
  }

  void project(const Chunk& c, const float* filtered, int count, const float* in, float* out,
               std::int64_t line) const {
    const std::int64_t at = line * width() * project_.cout;
    Finish finish = projected_.finish();
    if (project_.residual_from >= 0) finish.residual = in + at;
    inference_kernels().product(count * width(), project_.cout, c.channels, filtered, c.width, c.project,
                                out + at, project_.cout, c.first > 0,
                                c.first + kChunk >= expand_.cout ? &finish : nullptr);
  }

  const Layer &expand_, &depthwise_, &project_;
  float epsilon_;
  Affine expanded_, filtered_, projected_;
  int group_;  ///< lines that are projected together
  float* weights_ = nullptr;
};

}  // namespace

std::unique_ptr<FloatStep> dense_step(const Layer& layer, float epsilon) {
  return std::make_unique<DenseStep>(layer, epsilon);
}
std::unique_ptr<FloatStep> product_step(const Layer& layer, float epsilon) {
  return std::make_unique<ProductStep>(layer, epsilon);
}
std::unique_ptr<FloatStep> bottleneck_step(const Layer& expand, const Layer& depthwise, const Layer& project,
                                           float epsilon) {
  return std::make_unique<BottleneckStep>(expand, depthwise, project, epsilon);
}

}  // namespace apq::nn
