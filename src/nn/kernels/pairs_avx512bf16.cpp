// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <immintrin.h>

#include "nn/kernels/pair_kernels.hpp"

namespace apq::nn::kernels {
namespace {

#include "nn/kernels/vector.inc"

inline Vec load(const Pair* p) { return load(reinterpret_cast<const float*>(p)); }
inline Vec broadcast(Pair p) {
  return static_cast<Vec>(_mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(p.bits))));
}

#include "nn/kernels/product.inc"

/// GCC 12 copies the sums back and forth around the intrinsic.
template <>
inline void multiply_add<Pair>(Vec& sum, Vec left, Vec right) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
}

inline __m256i to_bf16(Vec v) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(static_cast<__m512>(v)));
}

void round_rows(int rows, int channels, const float* x, Pair* pairs) {
  constexpr int kBoth = 2 * kLanes;
  for (int r = 0; r < rows; ++r, x += channels, pairs += (channels + 1) / 2)
    for (int c = 0; c < channels; c += kBoth) {
      const int left = smaller(kBoth, channels - c), low = smaller(kLanes, left);
      const Vec first = load_some(x + c, low), second = load_some(x + c + low, left - low);
      const auto both = _mm512_cvtne2ps_pbh(static_cast<__m512>(second), static_cast<__m512>(first));
      _mm512_mask_storeu_epi32(pairs + c / 2, mask_of((left + 1) / 2), reinterpret_cast<__m512i>(both));
    }
}

/// Sixteen pairs of a number of each.
inline __m512i paired(Vec first, Vec second) {
  const __m512i low = _mm512_cvtepu16_epi32(to_bf16(first)), high = _mm512_cvtepu16_epi32(to_bf16(second));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

void round_columns(int rows, int channels, const float* x, Pair* pairs) {
  for (int r = 0; r < rows; r += 2, x += 2 * channels, pairs += channels)
    for (int c = 0; c < channels; c += kLanes) {
      const int lanes = smaller(kLanes, channels - c);
      const Vec below = r + 1 < rows ? load_some(x + channels + c, lanes) : Vec{};
      _mm512_mask_storeu_epi32(pairs + c, mask_of(lanes), paired(load_some(x + c, lanes), below));
    }
}

void pack(int depth, int columns, const float* from, std::int64_t depth_stride, std::int64_t column_stride,
          Pair* panels) {
  for (int first = 0; first < columns;) {
    const int width = panel_columns(columns - first, kWidest), used = smaller(width, columns - first);
    for (int k = 0; k < depth; k += 2)
      for (int i = 0; i < width; i += kLanes, panels += kLanes) {
        float both[2][kLanes] = {};
        for (int half = 0; half < 2 && k + half < depth; ++half)
          for (int lane = 0; lane < kLanes && i + lane < used; ++lane)
            both[half][lane] = from[(k + half) * depth_stride + (first + i + lane) * column_stride];
        _mm512_storeu_si512(panels, paired(load(both[0]), load(both[1])));
      }
    first += width;
  }
}

}  // namespace

const PairKernels kPairsAvx512Bf16 = {round_rows, round_columns, pack, product<Pair, Bf16>,
                                      product<Pair, float>};

}  // namespace apq::nn::kernels
