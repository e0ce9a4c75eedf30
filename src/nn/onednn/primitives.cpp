// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/nn/primitives.hpp"

#include <algorithm>
#include <unordered_map>

#include "apq/core/error.hpp"
#include "apq/core/progress.hpp"
#include "nn/onednn/adapter.hpp"

namespace apq::nn {
namespace {

using dnnl::memory;
using Type = memory::data_type;
using Tag = memory::format_tag;
using Descriptors = std::unordered_map<int, memory::desc>;

/// Least seconds of an execution on zeros.
double best_seconds(const dnnl::engine& engine, const dnnl::primitive& primitive,
                    const Descriptors& arguments) {
  constexpr int kRuns = 7;
  dnnl::stream stream(engine);
  std::unordered_map<int, memory> memories;
  for (const auto& [id, descriptor] : arguments) {
    if (descriptor.get_size() == 0) continue;
    memory m(descriptor, engine);
    std::fill_n(static_cast<char*>(m.get_data_handle()), descriptor.get_size(), char{0});
    memories.emplace(id, m);
  }
  double best = 1e30;
  for (int run = 0; run < kRuns; ++run) {
    const Timer timer;
    primitive.execute(stream, memories);
    stream.wait();
    if (run > 0) best = std::min(best, timer.seconds());
  }
  return best;
}

onednn::ConvolutionGeometry geometry(Kind kind, const ConvShape& s, Precision precision) {
  const Type real = precision == Precision::bf16 ? Type::bf16 : Type::f32;
  const bool integer = precision == Precision::int8;
  const memory::dim n = s.batch, in = s.size, out = s.size_out(), k = s.kernel, left = k / 2;
  const memory::dim right = (out - 1) * s.stride + k - in - left;
  const memory::dims weights =
      kind == Kind::depthwise ? memory::dims{s.cin, 1, 1, k, k} : memory::dims{s.cout, s.cin, k, k};
  return {{{n, s.cin, in, in}, integer ? Type::u8 : real, Tag::any},
          {weights, integer ? Type::s8 : real, Tag::any},
          {{n, s.cout, out, out}, integer ? Type::u8 : real, Tag::any},
          {s.stride, s.stride},
          {left, left},
          {right, right}};
}

}  // namespace

double convolution_seconds(Kind kind, const ConvShape& s, Pass pass, Precision precision) try {
  APQ_ASSERT(precision == Precision::fp32 || pass == Pass::forward);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const auto g = geometry(kind, s, precision);
  if (precision == Precision::int8) {
    dnnl::post_ops relu;
    relu.append_eltwise(
#if DNNL_VERSION_MAJOR < 3
        1,
#endif
        dnnl::algorithm::eltwise_relu, 0, 0);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(relu);
    const auto d = onednn::convolution_desc(engine, dnnl::prop_kind::forward_inference, g, attributes);
    return best_seconds(
        engine, dnnl::convolution_forward(d),
        {{DNNL_ARG_SRC, d.src_desc()}, {DNNL_ARG_WEIGHTS, d.weights_desc()}, {DNNL_ARG_DST, d.dst_desc()}});
  }
  const auto f = onednn::convolution_desc(engine, dnnl::prop_kind::forward_training, g);
  if (pass == Pass::forward)
    return best_seconds(
        engine, dnnl::convolution_forward(f),
        {{DNNL_ARG_SRC, f.src_desc()}, {DNNL_ARG_WEIGHTS, f.weights_desc()}, {DNNL_ARG_DST, f.dst_desc()}});
  if (pass == Pass::backward_data) {
    const auto d = onednn::convolution_backward_data_desc(engine, g, f);
    return best_seconds(engine, dnnl::convolution_backward_data(d),
                        {{DNNL_ARG_DIFF_SRC, d.diff_src_desc()},
                         {DNNL_ARG_WEIGHTS, d.weights_desc()},
                         {DNNL_ARG_DIFF_DST, d.diff_dst_desc()}});
  }
  const auto d = onednn::convolution_backward_weights_desc(engine, g, f);
  return best_seconds(engine, dnnl::convolution_backward_weights(d),
                      {{DNNL_ARG_SRC, d.src_desc()},
                       {DNNL_ARG_DIFF_WEIGHTS, d.diff_weights_desc()},
                       {DNNL_ARG_DIFF_DST, d.diff_dst_desc()}});
} catch (const dnnl::error& error) {
  fail(ErrorKind::environment, "oneDNN has no primitive for {} -> {} channels, kernel {}, size {} ({})",
       s.cin, s.cout, s.kernel, s.size, error.message);
}

double normalisation_seconds(const ConvShape& s, Pass pass) try {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const memory::desc data({s.batch, s.cout, s.size_out(), s.size_out()}, Type::f32, Tag::nhwc);
  const memory::desc channels({s.cout}, Type::f32, Tag::a);
  const auto f = onednn::normalisation_desc(engine, data);
  Descriptors arguments{{DNNL_ARG_SRC, data},          {DNNL_ARG_MEAN, channels},
                        {DNNL_ARG_VARIANCE, channels}, {DNNL_ARG_SCALE, channels},
                        {DNNL_ARG_SHIFT, channels},    {DNNL_ARG_WORKSPACE, f.workspace_desc()}};
  if (pass == Pass::forward) {
    arguments.emplace(DNNL_ARG_DST, data);
    return best_seconds(engine, dnnl::batch_normalization_forward(f), arguments);
  }
  arguments.emplace(DNNL_ARG_DIFF_SRC, data);
  arguments.emplace(DNNL_ARG_DIFF_DST, data);
  arguments.emplace(DNNL_ARG_DIFF_SCALE, channels);
  arguments.emplace(DNNL_ARG_DIFF_SHIFT, channels);
  const auto d = onednn::normalisation_backward_desc(engine, data, f);
  return best_seconds(engine, dnnl::batch_normalization_backward(d), arguments);
} catch (const dnnl::error& error) {
  fail(ErrorKind::environment, "oneDNN has no normalisation for {} channels, size {} ({})", s.cout, s.size,
       error.message);
}

}  // namespace apq::nn
