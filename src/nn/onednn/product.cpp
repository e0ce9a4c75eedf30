// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/onednn/product.hpp"

#include <algorithm>
#include <cstdlib>

#include "apq/core/error.hpp"
#include "nn/integer_shape.hpp"
#include "nn/kernels/requantize.hpp"

namespace apq::nn::onednn {

using dnnl::memory;
using Type = memory::data_type;
using Tag = memory::format_tag;

int exact_parts(const IntegerLayer& layer, bool vnni) {
  std::int64_t weight = 0, sum = 0;
  for (const int w : layer.weight) weight = std::max<std::int64_t>(weight, std::abs(w));
  for (int c = 0; c < layer.cout; ++c) sum = std::max(sum, largest_sum(layer, c));
  // Two products of 255 x 64 fit 16 bits. Rounding of the parts may add up to 255 per product to a part.
  const std::int64_t largest_weight = vnni ? 127 : 64;
  for (int parts = 1; parts <= 4; ++parts) {
    const std::int64_t rounding = parts == 1 ? 0 : std::int64_t{255} * taps(layer);
    if ((weight + parts - 1) / parts <= largest_weight && sum / parts + rounding < std::int64_t{1} << 24)
      return parts;
  }
  fail(ErrorKind::numeric,
       "a layer with {} weights per channel cannot be summed exactly (sums reach {}) use fewer channels",
       taps(layer), sum);
}

IntegerProduct::IntegerProduct(const IntegerLayer& layer, int images) try {
  if (layer.kind == Kind::depthwise) {
    const int in = layer.size, out = layer.size_out(), kernel = layer.kernel, stride = layer.stride;
    const int left = kernel / 2, right = (out - 1) * stride + kernel - in - left;
    const memory::dims weight_dims = {layer.cin, 1, 1, kernel, kernel};
    prepare<dnnl::convolution_forward>(
        convolution_desc(engine_, dnnl::prop_kind::forward_inference,
                         {{{images, layer.cin, in, in}, Type::u8, Tag::nhwc},
                          {weight_dims, Type::s8, Tag::any},
                          {{images, layer.cout, out, out}, Type::s32, Tag::nhwc},
                          {stride, stride},
                          {left, left},
                          {right, right}}),
        layer, {weight_dims, Type::s8, Tag::hwigo});
  } else {
    const memory::dim rows = images * rows_out(layer), depth = taps(layer), columns = layer.cout;
    prepare<dnnl::matmul>(
        matmul_desc(engine_, {{rows, depth}, Type::u8, Tag::ab}, {{depth, columns}, Type::s8, Tag::any},
                    {{rows, columns}, Type::s32, Tag::ab}),
        layer, {{depth, columns}, Type::s8, Tag::ab});
  }
} catch (const dnnl::error& error) {
  fail(ErrorKind::environment,
       "oneDNN has no 8-bit kernel for {} -> {} channels, kernel {}, size {} ({}: {}) use another oneDNN "
       "version",
       layer.cin, layer.cout, layer.kernel, layer.size, isa_name(), error.message);
}

template <class Primitive>
void IntegerProduct::prepare(const typename Primitive::primitive_desc& descriptor, const IntegerLayer& layer,
                             const memory::desc& plain) {
  primitive_ = Primitive(descriptor);
  src_ = memory(descriptor.src_desc(), engine_, nullptr);
  dst_ = memory(descriptor.dst_desc(), engine_, nullptr);
  const int parts = exact_parts(layer, has_vnni());
  std::vector<std::int8_t> values(layer.weight.size());
  for (int part = 0; part < parts; ++part) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = weight_part(layer.weight[i], part, parts);
    memory from(plain, engine_, values.data());
    memory to(descriptor.weights_desc(), engine_);
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
    weights_.push_back(to);
  }
  if (parts > 1) partial_.get(descriptor.dst_desc().get_size() / sizeof(std::int32_t));
}

void IntegerProduct::run(const std::uint8_t* in, std::int32_t* out) {
  src_.set_data_handle(const_cast<std::uint8_t*>(in));  // oneDNN only reads sources
  for (std::size_t part = 0; part < weights_.size(); ++part) {
    dst_.set_data_handle(part == 0 ? out : partial_.data());
    primitive_.execute(stream_,
                       {{DNNL_ARG_SRC, src_}, {DNNL_ARG_WEIGHTS, weights_[part]}, {DNNL_ARG_DST, dst_}});
    stream_.wait();
    if (part > 0)
      requantize_kernels().accumulate(
          static_cast<std::int64_t>(dst_.get_desc().get_size() / sizeof(std::int32_t)), partial_.data(), out);
  }
}

}  // namespace apq::nn::onednn
