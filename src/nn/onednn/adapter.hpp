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

/// Geometry of a convolution for the descriptors below.
struct ConvolutionGeometry {
  dnnl::memory::desc src, weights, dst;
  dnnl::memory::dims strides, padding_left, padding_right;
};

inline dnnl::convolution_forward::primitive_desc convolution_desc(
    const dnnl::engine& engine, dnnl::prop_kind kind, const ConvolutionGeometry& g,
    const dnnl::primitive_attr& attributes = {}) {
  constexpr auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kind,      algorithm,      g.src,           g.weights,
          g.dst,  g.strides, g.padding_left, g.padding_right, attributes};
#else
  return {dnnl::convolution_forward::desc(kind, algorithm, g.src, g.weights, g.dst, g.strides, g.padding_left,
                                          g.padding_right),
          attributes, engine};
#endif
}

inline dnnl::convolution_backward_data::primitive_desc convolution_backward_data_desc(
    const dnnl::engine& engine, const ConvolutionGeometry& g,
    const dnnl::convolution_forward::primitive_desc& forward) {
  constexpr auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine, algorithm, g.src, g.weights, g.dst, g.strides, g.padding_left, g.padding_right, forward};
#else
  return {dnnl::convolution_backward_data::desc(algorithm, g.src, g.weights, g.dst, g.strides, g.padding_left,
                                                g.padding_right),
          engine, forward};
#endif
}

inline dnnl::convolution_backward_weights::primitive_desc convolution_backward_weights_desc(
    const dnnl::engine& engine, const ConvolutionGeometry& g,
    const dnnl::convolution_forward::primitive_desc& forward) {
  constexpr auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine, algorithm, g.src, g.weights, g.dst, g.strides, g.padding_left, g.padding_right, forward};
#else
  return {dnnl::convolution_backward_weights::desc(algorithm, g.src, g.weights, g.dst, g.strides,
                                                   g.padding_left, g.padding_right),
          engine, forward};
#endif
}

inline dnnl::normalization_flags normalisation_flags() {
  using dnnl::normalization_flags;
  return normalization_flags::use_scale | normalization_flags::use_shift |
         normalization_flags::fuse_norm_relu;
}

inline dnnl::batch_normalization_forward::primitive_desc normalisation_desc(const dnnl::engine& engine,
                                                                            const dnnl::memory::desc& data) {
  constexpr auto kind = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kind, data, data, 1e-3f, normalisation_flags()};
#else
  return {dnnl::batch_normalization_forward::desc(kind, data, 1e-3f, normalisation_flags()), engine};
#endif
}

inline dnnl::batch_normalization_backward::primitive_desc normalisation_backward_desc(
    const dnnl::engine& engine, const dnnl::memory::desc& data,
    const dnnl::batch_normalization_forward::primitive_desc& forward) {
  constexpr auto kind = dnnl::prop_kind::backward;
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kind, data, data, data, 1e-3f, normalisation_flags(), forward};
#else
  return {dnnl::batch_normalization_backward::desc(kind, data, data, 1e-3f, normalisation_flags()), engine,
          forward};
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
