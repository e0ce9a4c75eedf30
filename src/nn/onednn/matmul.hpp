// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nn/onednn/adapter.hpp"

namespace apq::nn::onednn {

/// y[rows][n] = x[rows][k] w[k][n] with weights that stay, in the layout oneDNN likes best. Always the same
/// number of rows, so that the same kernel serves every call.
class Matmul {
 public:
  /// bfloat16 x and w, float y.
  static Matmul bf16(std::int64_t rows, std::int64_t k, std::int64_t n, std::span<const float> w);
  /// Unsigned 8-bit x, signed 8-bit w, 32-bit y; exact where `largest_weight()` is kept.
  static Matmul int8(std::int64_t rows, std::int64_t k, std::int64_t n, std::span<const std::int8_t> w);
  /// Weights up to this do not saturate: without VNNI pairs of products are summed in 16 bits.
  static int largest_weight() { return has_vnni() ? 127 : 64; }
  void run(const void* x, void* y);

 private:
  Matmul(const dnnl::memory::desc& x, const dnnl::memory::desc& w, const dnnl::memory::desc& y,
         const dnnl::memory::desc& given, const void* weights);

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::matmul primitive_;
  dnnl::memory x_, w_, y_;
};

/// Whether bfloat16 products run on AMX tiles; elsewhere they are no faster than float ones.
bool has_amx();

}  // namespace apq::nn::onednn
