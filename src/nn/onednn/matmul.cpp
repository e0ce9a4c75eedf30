// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/onednn/matmul.hpp"

#include "apq/core/error.hpp"

namespace apq::nn::onednn {

using dnnl::memory;
using Type = memory::data_type;
using Tag = memory::format_tag;

Matmul::Matmul(const memory::desc& x, const memory::desc& w, const memory::desc& y, const memory::desc& given,
               const void* weights) try {
  const auto descriptor = matmul_desc(engine_, x, w, y);
  primitive_ = dnnl::matmul(descriptor);
  x_ = memory(descriptor.src_desc(), engine_, nullptr);
  y_ = memory(descriptor.dst_desc(), engine_, nullptr);
  w_ = memory(descriptor.weights_desc(), engine_);
  memory from(given, engine_, const_cast<void*>(weights));  // oneDNN only reads sources
  dnnl::reorder(from, w_).execute(stream_, from, w_);
  stream_.wait();
} catch (const dnnl::error& error) {
  fail(ErrorKind::environment, "oneDNN has no such matrix product ({}: {}) use predictor.inference: fp32",
       isa_name(), error.message);
}

Matmul Matmul::bf16(std::int64_t rows, std::int64_t k, std::int64_t n, std::span<const float> w) {
  return {{{rows, k}, Type::bf16, Tag::ab},
          {{k, n}, Type::bf16, Tag::any},
          {{rows, n}, Type::f32, Tag::ab},
          {{k, n}, Type::f32, Tag::ab},
          w.data()};
}

Matmul Matmul::int8(std::int64_t rows, std::int64_t k, std::int64_t n, std::span<const std::int8_t> w) {
  return {{{rows, k}, Type::u8, Tag::ab},
          {{k, n}, Type::s8, Tag::any},
          {{rows, n}, Type::s32, Tag::ab},
          {{k, n}, Type::s8, Tag::ab},
          w.data()};
}

void Matmul::run(const void* x, void* y) {
  x_.set_data_handle(const_cast<void*>(x));
  y_.set_data_handle(y);
  primitive_.execute(stream_, {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, w_}, {DNNL_ARG_DST, y_}});
  stream_.wait();
}

bool has_amx() {
  using dnnl::cpu_isa;
  switch (dnnl::get_effective_cpu_isa()) {
    case cpu_isa::avx512_core_amx:
#if DNNL_VERSION_MAJOR >= 3
    case cpu_isa::avx512_core_amx_fp16:
#endif
      return true;
    default:
      return false;
  }
}

}  // namespace apq::nn::onednn
