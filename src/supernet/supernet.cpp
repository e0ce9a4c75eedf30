// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/supernet/supernet.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apq/core/error.hpp"

namespace apq::supernet {

using space::LayerKind;
using space::LayerRole;
using space::LayerSpec;

namespace {

int taps(int kernel) { return kernel * kernel; }
int weight_rows(const LayerSpec& l) { return taps(l.kernel) * (l.kind == LayerKind::depthwise ? 1 : l.cin); }

nn::Kind kind_of(LayerKind kind) {
  switch (kind) {
    case LayerKind::dense:
      return nn::Kind::dense;
    case LayerKind::pointwise:
      return nn::Kind::pointwise;
    case LayerKind::depthwise:
      return nn::Kind::depthwise;
    case LayerKind::linear:
      return nn::Kind::linear;
  }
  return nn::Kind::pointwise;
}

std::size_t role_index(LayerRole role) {
  return role == LayerRole::expand ? 0 : role == LayerRole::depthwise ? 1 : 2;
}

/// Rows of the smaller kernel inside the larger one.
std::vector<int> centre_rows(int large, int small) {
  std::vector<int> rows;
  const int border = (large - small) / 2;
  for (int y = 0; y < small; ++y)
    for (int x = 0; x < small; ++x) rows.push_back((y + border) * large + x + border);
  return rows;
}

void normal_fill(float* values, int n, double deviation, RandomStream& random) {
  for (int i = 0; i < n; ++i) values[i] = static_cast<float>(deviation * random.normal());
}

}  // namespace

Supernet::Supernet(const space::SearchSpace& space, std::uint64_t seed) : space_(&space) {
  const space::NetworkSpec largest = space.expand(space.largest());
  std::size_t values = 0, statistics = 0;
  const auto take = [&](int rows, int ld) {
    const Slot slot{values, rows, ld};
    values += static_cast<std::size_t>(rows) * static_cast<std::size_t>(ld);
    return slot;
  };

  blocks_.resize(space.blocks().size());
  std::vector<LayerSlots*> order;
  for (auto& block : blocks_) block.resize(3);
  fixed_.resize(static_cast<std::size_t>(
      std::count_if(largest.begin(), largest.end(), [](const LayerSpec& l) { return l.block < 0; })));
  std::size_t fixed = 0;
  for (const LayerSpec& l : largest) {
    LayerSlots& slots =
        l.block < 0 ? fixed_[fixed++] : blocks_[static_cast<std::size_t>(l.block)][role_index(l.role)];
    slots.weight = take(weight_rows(l), l.cout);
    slots.channels = l.cout;
    order.push_back(&slots);
  }
  decayed_ = values;
  for (std::size_t i = 0; i < largest.size(); ++i) {
    const LayerSpec& l = largest[i];
    LayerSlots& slots = *order[i];
    slots.beta = take(1, l.cout);
    if (l.kind != LayerKind::linear) {
      slots.gamma = take(1, l.cout);
      slots.statistics = statistics;
      statistics += 2 * static_cast<std::size_t>(l.cout);
    }
    slots.kernels = {l.kernel};
    if (l.block >= 0 && l.role == LayerRole::depthwise) {
      slots.kernels = space.blocks()[static_cast<std::size_t>(l.block)].kernels;
      for (std::size_t k = 0; k + 1 < slots.kernels.size(); ++k)
        slots.transforms.push_back(take(taps(slots.kernels[k]), taps(slots.kernels[k])));
    }
  }

  values_.assign(values, 0.0f);
  grads_.assign(values, 0.0f);
  velocity_.assign(values, 0.0f);
  statistics_.assign(statistics, 0.0f);
  for (std::size_t i = 0; i < largest.size(); ++i) {
    const LayerSpec& l = largest[i];
    const LayerSlots& slots = *order[i];
    RandomStream random(seed, Purpose::weight_init, i);
    const double gain = l.kind == LayerKind::linear ? 1 : 2;
    normal_fill(values_.data() + slots.weight.offset, slots.weight.rows * slots.weight.ld,
                std::sqrt(gain / weight_rows(l)), random);
    if (l.kind != LayerKind::linear) std::fill_n(values_.data() + slots.gamma.offset, l.cout, 1.0f);
    for (const Slot& t : slots.transforms)
      for (int d = 0; d < t.rows; ++d) values_[t.offset + static_cast<std::size_t>(d * t.ld + d)] = 1;
  }
}

void Supernet::derive_kernel(const LayerSlots& slots, nn::Layer& layer) {
  if (layer.kernel == slots.kernels.back()) return;
  Derived derived;
  derived.slots = &slots;
  derived.kernel = layer.kernel;
  derived.channels = layer.cout;
  const float* larger = values_.data() + slots.weight.offset;
  int larger_ld = slots.weight.ld;
  for (std::size_t k = slots.kernels.size() - 1; k-- > 0 && slots.kernels[k] >= layer.kernel;) {
    const int n = taps(slots.kernels[k]);
    const auto rows = centre_rows(slots.kernels[k + 1], slots.kernels[k]);
    nn::AlignedVector<float> centre(static_cast<std::size_t>(n) * static_cast<std::size_t>(layer.cout)),
        result(centre.size());
    for (int r = 0; r < n; ++r)
      std::copy_n(larger + static_cast<std::ptrdiff_t>(rows[static_cast<std::size_t>(r)]) * larger_ld,
                  layer.cout, centre.data() + static_cast<std::ptrdiff_t>(r) * layer.cout);
    nn::pointwise_forward(n, n, layer.cout, values_.data() + slots.transforms[k].offset, centre.data(),
                          layer.cout, result.data());
    derived.centres.push_back(std::move(centre));
    derived.values.push_back(std::move(result));
    larger = derived.values.back().data();
    larger_ld = layer.cout;
  }
  derived.grad.assign(derived.values.back().size(), 0.0f);
  derived_.push_back(std::move(derived));
  layer.weight = {derived_.back().values.back().data(), derived_.back().grad.data(), layer.cout};
}

void Supernet::finish_backward() {
  for (Derived& d : derived_) {
    const LayerSlots& slots = *d.slots;
    std::size_t k = 0;
    while (slots.kernels[k] != d.kernel) ++k;
    nn::AlignedVector<float> grad = d.grad;
    for (std::size_t step = d.values.size(); step-- > 0; ++k) {
      const int n = taps(slots.kernels[k]);
      const Slot& t = slots.transforms[k];
      nn::AlignedVector<float> dcentre(grad.size());
      // result[i] = sum_j T[i][j] centre[j], one row per tap
      for (int i = 0; i < n; ++i)
        for (int j = 0; j < n; ++j) {
          double sum = 0;
          for (int c = 0; c < d.channels; ++c)
            sum += static_cast<double>(grad[static_cast<std::size_t>(i * d.channels + c)]) *
                   static_cast<double>(d.centres[step][static_cast<std::size_t>(j * d.channels + c)]);
          grads_[t.offset + static_cast<std::size_t>(i * t.ld + j)] += static_cast<float>(sum);
        }
      std::fill(dcentre.begin(), dcentre.end(), 0.0f);
      nn::pointwise_backward_weights(n, n, d.channels, values_.data() + t.offset, grad.data(), dcentre.data(),
                                     d.channels);
      const int large = slots.kernels[k + 1];
      const auto rows = centre_rows(large, slots.kernels[k]);
      const bool stored = step == 0;
      grad.assign(static_cast<std::size_t>(taps(large) * d.channels), 0.0f);
      float* to = stored ? grads_.data() + slots.weight.offset : grad.data();
      const int ld = stored ? slots.weight.ld : d.channels;
      for (int r = 0; r < n; ++r)
        nn::add(d.channels, dcentre.data() + static_cast<std::ptrdiff_t>(r) * d.channels,
                to + static_cast<std::ptrdiff_t>(rows[static_cast<std::size_t>(r)]) * ld);
    }
    std::fill(d.grad.begin(), d.grad.end(), 0.0f);
  }
}

const nn::Network& Supernet::select(const space::Genome& genome) {
  const auto& options = space_->options();
  current_ = {};
  current_.input_size = options.input_size;
  current_.input_channels = options.input_channels;
  current_.classes = options.classes;
  derived_.clear();
  derived_.reserve(blocks_.size());
  const auto param = [&](const Slot& s) {
    return nn::Param{values_.data() + s.offset, grads_.data() + s.offset, s.ld};
  };
  std::size_t fixed = 0;
  int block_start = -1;
  for (const LayerSpec& spec : space_->expand(genome)) {
    const LayerSlots& slots = spec.block < 0
                                  ? fixed_[fixed++]
                                  : blocks_[static_cast<std::size_t>(spec.block)][role_index(spec.role)];
    nn::Layer l;
    l.kind = kind_of(spec.kind);
    l.cin = spec.cin;
    l.cout = spec.cout;
    l.size = spec.size;
    l.kernel = spec.kernel;
    l.stride = spec.stride;
    l.relu6 = spec.relu6;
    l.weight = param(slots.weight);
    l.beta = param(slots.beta);
    if (spec.kind != LayerKind::linear) {
      l.gamma = param(slots.gamma);
      l.mean = statistics_.data() + slots.statistics;
      l.variance = l.mean + slots.channels;
    }
    if (spec.kind == LayerKind::depthwise) derive_kernel(slots, l);
    if (spec.role == LayerRole::expand) block_start = static_cast<int>(current_.layers.size());
    if (spec.residual) l.residual_from = block_start;
    current_.layers.push_back(l);
  }
  return current_;
}

void Supernet::sort_channels() {
  for (auto& block : blocks_) {
    LayerSlots &expand = block[0], &depthwise = block[1], &project = block[2];
    const auto n = static_cast<std::size_t>(expand.channels);
    std::vector<double> importance(n, 0.0);
    for (std::size_t c = 0; c < n; ++c)
      for (int o = 0; o < project.weight.ld; ++o)
        importance[c] += std::abs(static_cast<double>(
            values_[project.weight.offset + c * static_cast<std::size_t>(project.weight.ld) +
                    static_cast<std::size_t>(o)]));
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return importance[a] > importance[b]; });

    const auto permute = [&](float* base, std::size_t count, std::size_t stride, std::size_t run) {
      // `count` groups `stride` apart, in each the channel c is the run base[c * run ...].
      std::vector<float> old(n * run);
      for (std::size_t g = 0; g < count; ++g) {
        float* group = base + g * stride;
        std::copy(group, group + n * run, old.begin());
        for (std::size_t c = 0; c < n; ++c)
          std::copy_n(old.begin() + static_cast<std::ptrdiff_t>(order[c] * run), run, group + c * run);
      }
    };
    for (float* all : {values_.data(), velocity_.data()}) {
      for (const LayerSlots* l : {&expand, &depthwise}) {
        permute(all + l->weight.offset, static_cast<std::size_t>(l->weight.rows),
                static_cast<std::size_t>(l->weight.ld), 1);
        permute(all + l->gamma.offset, 1, 0, 1);
        permute(all + l->beta.offset, 1, 0, 1);
      }
      permute(all + project.weight.offset, 1, 0, static_cast<std::size_t>(project.weight.ld));
    }
    for (const LayerSlots* l : {&expand, &depthwise}) permute(statistics_.data() + l->statistics, 2, n, 1);
  }
}

}  // namespace apq::supernet
