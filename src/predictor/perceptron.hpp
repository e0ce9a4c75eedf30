// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace apq::predictor {

/// One-hot inputs: the slots that are one, row after row.
struct Inputs {
  std::vector<std::int32_t> slots;
  std::vector<std::size_t> ends;  ///< of each row within `slots`

  int rows() const { return static_cast<int>(ends.size()); }
  std::span<const std::int32_t> row(int r) const {
    const std::size_t begin = r == 0 ? 0 : ends[r - 1];
    return {slots.data() + begin, ends[r] - begin};
  }
  void add(std::span<const std::int32_t> row) {
    slots.insert(slots.end(), row.begin(), row.end());
    ends.push_back(slots.size());
  }
};

/// Sizes of the perceptron and where its numbers lie in one array.
struct Shape {
  std::size_t slots = 0;
  std::size_t hidden = 0;
  std::size_t late = 0;  ///< the last that many slots are added after the first ReLU

  bool is_late(std::int32_t slot) const { return static_cast<std::size_t>(slot) >= slots - late; }
  std::size_t first_bias() const { return slots * hidden; }
  std::size_t second() const { return first_bias() + hidden; }
  std::size_t second_bias() const { return second() + hidden * hidden; }
  std::size_t third() const { return second_bias() + hidden; }
  std::size_t third_bias() const { return third() + hidden * hidden; }
  std::size_t output() const { return third_bias() + hidden; }
  std::size_t output_bias() const { return output() + hidden; }
  std::size_t size() const { return output_bias() + 1; }
};

/// Forward and backward pass; keeps the activations in between.
class Perceptron {
 public:
  explicit Perceptron(const Shape& shape) : shape_(shape) {}

  /// One output per row; valid until the next call.
  std::span<const float> forward(std::span<const float> parameters, const Inputs& inputs);
  /// Adds d loss / d parameters to `gradients`, for the inputs of the last forward pass.
  void backward(std::span<const float> parameters, const Inputs& inputs, std::span<const float> d_output,
                std::span<float> gradients);

 private:
  Shape shape_;
  std::vector<float> first_, second_, third_;  ///< activations, [rows][hidden]
  std::vector<float> early_;                   ///< first_ before late slots are added
  std::vector<float> output_;
  std::vector<float> d_here_, d_below_;
};

}  // namespace apq::predictor
