// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "apq/core/error.hpp"

namespace apq {

/// What a stream is drawn for. Part of the key, so two uses never share numbers. Append only.
enum class Purpose : std::uint32_t {
  split = 1,
  augmentation = 2,
  shuffle = 3,
  weight_init = 4,
  supernet_sample = 5,
  fp32_pair = 6,
  int8_pair = 7,
  predictor_init = 8,
  predictor_split = 9,
  predictor_shuffle = 10,
  population = 11,
  variation = 12,
  migration = 13,
  random_search = 14,
  calibration = 15,
  finetune = 16,
  topology = 17,
  noise_ceiling = 18,
  inference_range = 19,
  study_test = 20,
  study_subset = 21,
  label_study = 24,
  label_resampling = 25,
  test = 1000,
};

/// Counter-based random stream (Philox4x32-10). The stream is a pure function of its key
/// (seed, purpose, a, b, c): no state is saved, and who draws does not matter.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, Purpose purpose, std::uint64_t a = 0, std::uint64_t b = 0,
               std::uint64_t c = 0);

  std::uint32_t next() {
    if (used_ == 4) refill();
    return buffer_[used_++];
  }
  std::uint64_t next64() { return (std::uint64_t{next()} << 32) | next(); }
  /// Uniform in [0, 1) with 53 bits.
  double uniform() { return static_cast<double>(next64() >> 11) * 0x1p-53; }
  /// True with that probability, to 32 bits.
  bool chance(double probability) { return next() < probability * 0x1p32; }
  /// Uniform in {0, ..., n-1} without modulo bias; n > 0.
  std::uint32_t below(std::uint32_t n) {
    // Multiply-and-shift; the few products that would favour small values are drawn again (Lemire 2019).
    APQ_ASSERT(n > 0);
    std::uint64_t product = std::uint64_t{next()} * n;
    if (static_cast<std::uint32_t>(product) < n) {
      const std::uint32_t unfair = (0u - n) % n;
      while (static_cast<std::uint32_t>(product) < unfair) product = std::uint64_t{next()} * n;
    }
    return static_cast<std::uint32_t>(product >> 32);
  }
  /// Standard normal.
  double normal();

  template <class T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[below(static_cast<std::uint32_t>(i))]);
  }
  /// A random permutation of 0..n-1.
  std::vector<std::uint32_t> permutation(std::size_t n) {
    std::vector<std::uint32_t> p(n);
    std::iota(p.begin(), p.end(), 0u);
    shuffle(p);
    return p;
  }

 private:
  void refill();

  std::uint32_t key_[2];
  std::uint64_t block_ = 0;
  std::uint32_t buffer_[4];
  int used_ = 4;
};

}  // namespace apq
