// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "apq/nn/buffer.hpp"
#include "apq/nn/precision.hpp"

namespace apq::nn {

/// A perceptron with three hidden layers of equal width whose first layer is a sum of table rows. Matrices
/// are row-major, [inputs][outputs].
struct MlpWeights {
  int hidden = 0;
  std::vector<float> table;  ///< [rows][hidden]
  std::vector<float> first_bias;
  std::vector<float> second, second_bias;
  std::vector<float> third, third_bias;
  std::vector<float> output;  ///< [hidden]
  float output_bias = 0;
  std::vector<float> late_table = {};  ///< [rows][hidden]; rows are added after the first ReLU
};

/// The rows of the table each input picks, one input after the other.
struct Picks {
  std::vector<std::int32_t> rows;
  std::vector<std::int64_t> ends{0};  ///< input i picks rows[ends[i]] to rows[ends[i + 1] - 1]

  std::int64_t count() const { return static_cast<std::int64_t>(ends.size()) - 1; }
  void end_input() { ends.push_back(static_cast<std::int64_t>(rows.size())); }
  void clear() {
    rows.clear();
    ends.resize(1);
  }
};

/// Inference: relu(first_bias + sum of picked rows) [+ sum of late rows] -> relu(x second + bias) -> relu(x
/// third + bias) -> x . output + bias. An output depends on its own picks only: never on other inputs, their
/// number or order, nor on the number of threads.
///
/// fp32 is the reference. bf16 rounds weights and activations of the two products to bfloat16 and adds up in
/// fp32; it is faster only where the CPU has AMX. int8 has signed 8-bit weights with a step per column and
/// unsigned 8-bit activations with a step per layer, adds up exactly, and is the fastest where the CPU has
/// VNNI. The first layer and the output are fp32 throughout.
class Mlp {
 public:
  /// `calibration` inputs set the ranges of the int8 activations; other precisions need none.
  Mlp(const MlpWeights& weights, Precision precision, const Picks& calibration = {});
  Mlp(Mlp&&) noexcept;
  ~Mlp();
  /// One output per input. `late`: rows of the late table for each input; not with int8, whose activations
  /// have no sign.
  void run(const Picks& picks, std::span<float> outputs, const Picks* late = nullptr);

 private:
  class Layer;  ///< one of the two products with bias and ReLU
  class Fp32Layer;
  class Bf16Layer;
  class Int8Layer;
  void first_layer(const Picks& picks, std::int64_t begin, std::int64_t end, float* x) const;
  void add_late(const Picks& late, std::int64_t begin, std::int64_t end, float* x) const;

  int hidden_;
  int ld_;  ///< hidden, padded to whole vectors with zeros
  AlignedVector<float> table_, late_table_;
  std::vector<float> first_bias_, output_;
  float output_bias_;
  std::unique_ptr<Layer> second_, third_;
};

}  // namespace apq::nn
