// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <immintrin.h>

#include <cstring>

#include "nn/kernels/integer_kernels.hpp"

namespace apq::nn::kernels {
namespace {

using Output = Requantization::Output;

inline __mmask16 mask_of(int lanes) { return static_cast<__mmask16>((1u << lanes) - 1); }
inline std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

/// sum += products of four unsigned and four signed bytes in each 32-bit lane. GCC 12 copies the sums back
/// and forth around the intrinsic, up to the stack.
template <class V>
inline void dot(V& sum, V bytes, V weights) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(bytes), "v"(weights));
}

/// Sixteen sums with bias, as floats times the multiplier: one correctly rounded product.
inline __m512 scaled(__m512i sum, __m512i shift, const std::int32_t* bias, const float* multiplier) {
  const __m512i whole = _mm512_add_epi32(_mm512_sllv_epi32(sum, shift), _mm512_loadu_si512(bias));
  return _mm512_mul_ps(_mm512_cvtepi32_ps(whole), _mm512_loadu_ps(multiplier));
}

/// Sums to bytes. A copy of what it needs: stores of bytes could change anything that is reached by pointers.
struct ToBytes {
  __m512i shift, low;
  __m512 high;
  const std::int32_t* bias;
  const float* multiplier;
  std::uint8_t* bytes;
  std::int64_t channels;

  explicit ToBytes(const Requantization& q)
      : shift(_mm512_set1_epi32(q.shift)),
        low(_mm512_set1_epi8(static_cast<char>(static_cast<int>(q.low)))),
        high(_mm512_set1_ps(q.high)),
        bias(q.bias),
        multiplier(q.multiplier),
        bytes(q.bytes),
        channels(q.channels) {}

  /// Rounded to nearest even, as the processor is set. Above `high` a conversion could overflow; what lies
  /// below 0 becomes 0 when it is packed, also the overflow.
  __m512i rounded(__m512i sum, int channel) const {
    return _mm512_cvtps_epi32(_mm512_min_ps(scaled(sum, shift, bias + channel, multiplier + channel), high));
  }
  __m256i rounded(__m256i sum, int channel) const {
    const __m256i whole =
        _mm256_add_epi32(_mm256_sllv_epi32(sum, _mm512_castsi512_si256(shift)),
                         _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bias + channel)));
    const __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(whole), _mm256_loadu_ps(multiplier + channel));
    return _mm256_cvtps_epi32(_mm256_min_ps(v, _mm512_castps512_ps256(high)));
  }
  /// Bytes of four vectors; in each 128-bit lane the four of the first vector, then of the second and so on.
  __m512i packed(const __m512i v[4]) const {
    const __m512i words[2] = {_mm512_packs_epi32(v[0], v[1]), _mm512_packs_epi32(v[2], v[3])};
    return _mm512_max_epu8(_mm512_packus_epi16(words[0], words[1]), low);
  }
  __m256i packed(const __m256i v[4]) const {
    const __m256i words[2] = {_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3])};
    return _mm256_max_epu8(_mm256_packus_epi16(words[0], words[1]), _mm512_castsi512_si256(low));
  }
};

/// Four rows of sixteen channels, of which `rows` and `lanes` exist.
inline void bytes_out(const ToBytes& q, const __m512i sum[4], std::int64_t row, int channel, int lanes,
                      int rows) {
  __m512i v[4];
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) v[r] = q.rounded(sum[r], channel);
  const __m512i by_row = _mm512_permutexvar_epi32(
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), q.packed(v));
  std::uint8_t* to = q.bytes + row * q.channels + channel;
  const __m128i row_bytes[4] = {_mm512_castsi512_si128(by_row), _mm512_extracti32x4_epi32(by_row, 1),
                                _mm512_extracti32x4_epi32(by_row, 2), _mm512_extracti32x4_epi32(by_row, 3)};
  if (rows == 4 && lanes == kLanes) {
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + r * q.channels), row_bytes[r]);
  } else {
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r)
      if (r < rows) _mm_mask_storeu_epi8(to + r * q.channels, mask_of(lanes), row_bytes[r]);
  }
}

inline void stream_out(const Requantization& q, __m512i sum, std::int64_t row, int channel, int lanes) {
  const __mmask16 mask = mask_of(lanes);
  const std::int64_t at = row * q.channels + channel;
  __m512 v = scaled(sum, _mm512_set1_epi32(q.shift), q.bias + channel, q.multiplier + channel);
  v = _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(q.low)), _mm512_set1_ps(q.high));
  __m512i whole = _mm512_cvtps_epi32(v);
  if (q.residual) {
    const __m256i residual = _mm256_maskz_loadu_epi16(mask, q.residual + at);
    whole = _mm512_add_epi32(whole, _mm512_cvtepi16_epi32(residual));
  }
  const __m256i words = _mm512_cvtsepi32_epi16(whole);
  if (q.stream) _mm256_mask_storeu_epi16(q.stream + at, mask, words);
  if (!q.next) return;
  v = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(words)), _mm512_set1_ps(q.next_ratio));
  v = _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(q.next_low)), _mm512_set1_ps(q.next_high));
  whole = _mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(q.next_zero));
  _mm_mask_storeu_epi8(q.next + at, mask, _mm512_cvtepi32_epi8(whole));
}

inline void logits_out(const Requantization& q, __m512i sum, std::int64_t row, int channel, int lanes) {
  _mm512_mask_storeu_ps(q.logits + row * q.channels + channel, mask_of(lanes),
                        scaled(sum, _mm512_set1_epi32(q.shift), q.bias + channel, q.multiplier + channel));
}

// Matrix product. A tile of R rows and V vectors of columns stays in registers over the whole depth.

template <int V>
constexpr int kTileRows = V == 3 ? 8 : 12;

template <int R, int V, Output O>
inline void product_tile(int steps, const std::uint8_t* x, std::int64_t ldx, const std::int8_t* right,
                         const Requantization& q, std::int64_t row, int channel, int last_lanes, int rows) {
  __m512i sum[V][R];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v)
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) sum[v][r] = _mm512_setzero_si512();
  for (int k = 0; k < steps; ++k, x += 4, right += V * kByteBlock) {
    __m512i b[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) b[v] = _mm512_loadu_si512(right + v * kByteBlock);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      int four;
      std::memcpy(&four, x + r * ldx, sizeof(four));
      const __m512i left = _mm512_set1_epi32(four);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) dot(sum[v][r], left, b[v]);
    }
  }
  const ToBytes to_bytes(q);
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const int at = channel + v * kLanes, lanes = v + 1 < V ? kLanes : last_lanes;
    if constexpr (O == Output::bytes) {
#pragma GCC unroll 4
      for (int r = 0; r < R; r += 4) {
        const __m512i four[4] = {sum[v][r], sum[v][r + 1], sum[v][r + 2], sum[v][r + 3]};
        bytes_out(to_bytes, four, row + r, at, lanes, R == 4 ? rows : 4);
      }
    } else {
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
        if (R > 4 || r < rows)
          (O == Output::stream ? stream_out : logits_out)(q, sum[v][r], row + r, at, lanes);
    }
  }
}

template <int V, Output O>
void product_panel(std::int64_t first, std::int64_t rows, int steps, const std::uint8_t* x, std::int64_t ldx,
                   const std::int8_t* right, const Requantization& q, int channel, int last_lanes) {
  std::int64_t r = 0;
  for (; r + kTileRows<V> <= rows; r += kTileRows<V>)
    product_tile<kTileRows<V>, V, O>(steps, x + r * ldx, ldx, right, q, first + r, channel, last_lanes, 0);
  for (; r < rows; r += 4)
    product_tile<4, V, O>(steps, x + r * ldx, ldx, right, q, first + r, channel, last_lanes,
                          static_cast<int>(smaller(4, rows - r)));
}

template <Output O>
void product_to(std::int64_t first, std::int64_t rows, int depth, const std::uint8_t* x, std::int64_t ldx,
                const std::int8_t* right, const Requantization& q) {
  const int steps = (depth + 3) / 4;
  for (int channel = 0; channel < q.channels;) {
    const int width = panel_columns(q.channels - channel, 3);
    const int last_lanes = static_cast<int>(smaller(width, q.channels - channel)) - (width - kLanes);
    const auto run = width == kLanes       ? product_panel<1, O>
                     : width == 2 * kLanes ? product_panel<2, O>
                                           : product_panel<3, O>;
    run(first, rows, steps, x, ldx, right, q, channel, last_lanes);
    right += std::int64_t{4} * width * steps;
    channel += width;
  }
}

void product(std::int64_t first, std::int64_t rows, int depth, const std::uint8_t* x, std::int64_t ldx,
             const std::int8_t* weights, const Requantization& q) {
  const auto run = q.output == Output::bytes    ? product_to<Output::bytes>
                   : q.output == Output::stream ? product_to<Output::stream>
                                                : product_to<Output::logits>;
  run(first, rows, depth, x, ldx, weights, q);
}

// Depthwise convolution of a line, 64 channels at a time. Four kernel rows of every column are brought side
// by side once and serve all outputs that the column belongs to.

// As vectors of half the width, where half a block is left, they take some CPUs half the time.

template <class V>
inline V load(const void* from) {
  V v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}
inline void store_some(std::uint8_t* to, __m512i v, int lanes) {
  _mm512_mask_storeu_epi8(to, (__mmask64{1} << lanes) - 1, v);
}
inline void store_some(std::uint8_t* to, __m256i v, int lanes) {
  _mm256_mask_storeu_epi8(to, (__mmask32{1} << lanes) - 1, v);
}

/// Bytes of a and b in turns, then 16-bit words: the lower and the upper half of every 128-bit lane.
inline __m512i low_bytes(__m512i a, __m512i b) { return _mm512_unpacklo_epi8(a, b); }
inline __m256i low_bytes(__m256i a, __m256i b) { return _mm256_unpacklo_epi8(a, b); }
inline __m512i high_bytes(__m512i a, __m512i b) { return _mm512_unpackhi_epi8(a, b); }
inline __m256i high_bytes(__m256i a, __m256i b) { return _mm256_unpackhi_epi8(a, b); }
inline __m512i low_words(__m512i a, __m512i b) { return _mm512_unpacklo_epi16(a, b); }
inline __m256i low_words(__m256i a, __m256i b) { return _mm256_unpacklo_epi16(a, b); }
inline __m512i high_words(__m512i a, __m512i b) { return _mm512_unpackhi_epi16(a, b); }
inline __m256i high_words(__m256i a, __m256i b) { return _mm256_unpackhi_epi16(a, b); }

/// Four rows of one column and block: [vector][lane][4], as channel_of_lane says.
template <class V>
inline void interleave(const std::uint8_t* const rows[4], std::uint8_t* to) {
  const V r0 = load<V>(rows[0]), r1 = load<V>(rows[1]), r2 = load<V>(rows[2]), r3 = load<V>(rows[3]);
  const V low01 = low_bytes(r0, r1), high01 = high_bytes(r0, r1);
  const V low23 = low_bytes(r2, r3), high23 = high_bytes(r2, r3);
  const V four[4] = {low_words(low01, low23), high_words(low01, low23), low_words(high01, high23),
                     high_words(high01, high23)};
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) std::memcpy(to + v * kByteBlock, &four[v], sizeof(V));
}

/// T neighbouring outputs of one block. On its own and with all taps unrolled: else GCC 12 keeps the sums on
/// the stack.
template <class V, int K, int T>
[[gnu::noinline]] void depthwise_tile(const std::uint8_t* columns, int stride, const std::int8_t* weights,
                                      const Requantization& q, int channel, int lanes, std::uint8_t* to) {
  constexpr int kGroups = (K + 3) / 4, kColumn = 4 * kByteBlock;
  V sum[T][4];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) sum[t][v] = V{};
#pragma GCC unroll 14
  for (int k = 0; k < K * kGroups; ++k, columns += kColumn, weights += kColumn)
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const V w = load<V>(weights + v * kByteBlock);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        const std::int64_t at = std::int64_t{t} * stride * kGroups * kColumn + v * kByteBlock;
        dot(sum[t][v], load<V>(columns + at), w);
      }
    }
  const ToBytes to_bytes(q);
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t, to += to_bytes.channels) {
    V v[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) v[i] = to_bytes.rounded(sum[t][i], channel + i * kLanes);
    const V bytes = to_bytes.packed(v);
    if (lanes == sizeof(V))
      std::memcpy(to, &bytes, sizeof(V));
    else
      store_some(to, bytes, lanes);
  }
}

/// `lanes` channels from `channel` on, at most as many as V has bytes.
template <class V, int K>
void depthwise_block(const Depthwise& d, int line, const std::uint8_t* image, const std::int8_t* weights,
                     std::uint8_t* scratch, const Requantization& q, int channel, int lanes,
                     std::uint8_t* out) {
  static constexpr std::uint8_t kZeros[kByteBlock] = {};
  constexpr int kGroups = (K + 3) / 4, kColumn = 4 * kByteBlock, kHalf = K / 2;
  const std::int64_t row = std::int64_t{d.size} * d.channels;
  for (int group = 0; group < kGroups; ++group) {
    const std::uint8_t* rows[4];
    std::int64_t steps[4];  // rows outside the image are zeros wherever one looks
    for (int i = 0; i < 4; ++i) {
      const int y = line * d.stride - kHalf + 4 * group + i;
      const bool inside = y >= 0 && y < d.size && 4 * group + i < K;
      rows[i] = inside ? image + y * row + channel : kZeros;
      steps[i] = inside ? d.channels : 0;
    }
    std::uint8_t* to = scratch + (kHalf * kGroups + group) * kColumn;
    for (int x = 0; x < d.size; ++x, to += kGroups * kColumn) {
      interleave<V>(rows, to);
      for (int i = 0; i < 4; ++i) rows[i] += steps[i];
    }
  }
  int x = 0;
  const auto tiles = [&]<int T>() {
    for (; x + T <= d.size_out; x += T)
      depthwise_tile<V, K, T>(scratch + std::int64_t{x} * d.stride * kGroups * kColumn, d.stride, weights, q,
                              channel, lanes, out + std::int64_t{x} * d.channels);
  };
  tiles.template operator()<6>();
  tiles.template operator()<2>();
  tiles.template operator()<1>();
}

template <int K>
void depthwise_line(const Depthwise& d, int line, std::int64_t first, const std::uint8_t* image,
                    const std::int8_t* weights, std::uint8_t* scratch, const Requantization& q) {
  constexpr int kGroups = (K + 3) / 4, kColumn = 4 * kByteBlock, kHalf = K / 2;
  std::memset(scratch, 0, kHalf * kGroups * kColumn);
  const std::int64_t end = std::int64_t{kHalf + d.size} * kGroups * kColumn;
  std::memset(scratch + end, 0, static_cast<std::size_t>(line_scratch(d) - end));
  for (int channel = 0; channel < d.channels; channel += kByteBlock, weights += K * kGroups * kColumn) {
    const int lanes = static_cast<int>(smaller(kByteBlock, d.channels - channel));
    const auto run = 2 * lanes <= kByteBlock ? depthwise_block<__m256i, K> : depthwise_block<__m512i, K>;
    run(d, line, image, weights, scratch, q, channel, lanes, q.bytes + first * d.channels + channel);
  }
}

void depthwise(const Depthwise& d, int line, std::int64_t first, const std::uint8_t* image,
               const std::int8_t* weights, std::uint8_t* scratch, const Requantization& q) {
  const auto run = d.kernel == 3 ? depthwise_line<3> : d.kernel == 5 ? depthwise_line<5> : depthwise_line<7>;
  run(d, line, first, image, weights, scratch, q);
}

}  // namespace

const IntegerKernels kIntegerAvx512Vnni = {product, depthwise};

}  // namespace apq::nn::kernels
