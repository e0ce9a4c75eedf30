// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

/// The one place that knows the difference between oneDNN 2 (operation descriptors) and oneDNN 3.
namespace apq::nn::onednn {

inline dnnl::matmul::primitive_desc matmul_desc(const dnnl::engine& engine, const dnnl::memory::desc& src,
                                                const dnnl::memory::desc& weights,
                                                const dnnl::memory::desc& dst) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, src, weights, dst};
#else
  return {dnnl::matmul::desc(src, weights, dst), engine};
#endif
}

inline dnnl::convolution_forward::primitive_desc convolution_desc(
    const dnnl::engine& engine, const dnnl::memory::desc& src, const dnnl::memory::desc& weights,
    const dnnl::memory::desc& dst, const dnnl::memory::dims& strides, const dnnl::memory::dims& padding_left,
    const dnnl::memory::dims& padding_right) {
  constexpr auto kind = dnnl::prop_kind::forward_inference;
  constexpr auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kind, algorithm, src, weights, dst, strides, padding_left, padding_right};
#else
  return {dnnl::convolution_forward::desc(kind, algorithm, src, weights, dst, strides, padding_left,
                                          padding_right),
          engine};
#endif
}

/// Name of the instruction set oneDNN uses, after the CPU and ONEDNN_MAX_CPU_ISA.
inline const char* isa_name() {
  using dnnl::cpu_isa;
  switch (dnnl::get_effective_cpu_isa()) {
    case cpu_isa::sse41:
      return "sse41";
    case cpu_isa::avx:
      return "avx";
    case cpu_isa::avx2:
      return "avx2";
    case cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case cpu_isa::avx512_core:
      return "avx512_core";
    case cpu_isa::avx512_core_vnni:
      return "avx512_core_vnni";
    case cpu_isa::avx512_core_bf16:
      return "avx512_core_bf16";
    case cpu_isa::avx512_core_amx:
      return "avx512_core_amx";
#if DNNL_VERSION_MAJOR >= 3
    case cpu_isa::avx2_vnni_2:
      return "avx2_vnni_2";
    case cpu_isa::avx512_core_fp16:
      return "avx512_core_fp16";
    case cpu_isa::avx512_core_amx_fp16:
      return "avx512_core_amx_fp16";
#endif
    default:
      return "other";
  }
}

/// Whether int8 products are summed exactly in 32 bits. Without VNNI pairs of them saturate at 16 bits.
/// Unknown sets count as without, which costs time but never exactness.
inline bool has_vnni() {
  using dnnl::cpu_isa;
  switch (dnnl::get_effective_cpu_isa()) {
    case cpu_isa::avx2_vnni:
    case cpu_isa::avx512_core_vnni:
    case cpu_isa::avx512_core_bf16:
    case cpu_isa::avx512_core_amx:
#if DNNL_VERSION_MAJOR >= 3
    case cpu_isa::avx2_vnni_2:
    case cpu_isa::avx512_core_fp16:
    case cpu_isa::avx512_core_amx_fp16:
#endif
      return true;
    default:
      return false;
  }
}

}  // namespace apq::nn::onednn
