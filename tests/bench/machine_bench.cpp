// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
//
// What the machine gives, to hold the engine's figures against:
//   bench_machine [THREADS]
// Multiply-adds on registers alone, in float and (dot products) in bf16 and 8-bit integers, and the traffic
// of a copy that no cache holds. Best of three runs, all threads together.
#include <immintrin.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "apq/core/progress.hpp"

namespace {

constexpr int kChains = 16;  // independent sums: more than a multiply-add takes cycles times two a cycle
constexpr long kSteps = 20'000'000;
constexpr std::size_t kCopied = std::size_t{1} << 26;  // floats of a thread, read and written

[[gnu::target("avx512f")]] void multiply_add_floats() {
  __m512 sum[kChains] = {};
  const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
  for (long i = 0; i < kSteps; ++i)
#pragma GCC unroll 16
    for (__m512& s : sum) {
      s = _mm512_fmadd_ps(s, a, b);
      asm volatile("" : "+v"(s));
    }
}

[[gnu::target("avx512f,avx512vnni")]] void multiply_add_bytes() {
  __m512i sum[kChains] = {};
  const __m512i a = _mm512_set1_epi8(1);
  for (long i = 0; i < kSteps; ++i)
#pragma GCC unroll 16
    for (__m512i& s : sum) asm volatile("vpdpbusd %1, %1, %0" : "+v"(s) : "v"(a));
}

[[gnu::target("avx512f,avx512bf16")]] void multiply_add_bf16() {
  __m512 sum[kChains] = {};
  const __m512 a = _mm512_setzero_ps();
  for (long i = 0; i < kSteps; ++i)
#pragma GCC unroll 16
    for (__m512& s : sum) asm volatile("vdpbf16ps %1, %1, %0" : "+v"(s) : "v"(a));
}

/// Least seconds in which every thread has done its work.
double least_seconds(int threads, const std::function<void(int)>& work) {
  double least = 1e30;
  for (int run = 0; run < 3; ++run) {
    const apq::Timer timer;
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(work, t);
    work(0);
    for (auto& other : others) other.join();
    least = std::min(least, timer.seconds());
  }
  return least;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  if (argc > 2 || threads < 1 || threads > 1024) {
    std::fprintf(stderr, "usage: bench_machine [THREADS]\n");
    return 2;
  }
  const double steps = static_cast<double>(kSteps) * kChains * threads;
  if (__builtin_cpu_supports("avx512f"))
    std::printf("multiply-adds of floats: %.0f GFLOP/s\n",
                steps * 32 / least_seconds(threads, [](int) { multiply_add_floats(); }) / 1e9);
  if (__builtin_cpu_supports("avx512bf16"))
    std::printf("multiply-adds of bf16: %.0f GFLOP/s\n",
                steps * 64 / least_seconds(threads, [](int) { multiply_add_bf16(); }) / 1e9);
  if (__builtin_cpu_supports("avx512vnni"))
    std::printf("multiply-adds of bytes: %.0f GOP/s\n",
                steps * 128 / least_seconds(threads, [](int) { multiply_add_bytes(); }) / 1e9);
  std::vector<std::vector<float>> from(static_cast<std::size_t>(threads)), to(from.size());
  const auto of = [](std::vector<std::vector<float>>& all, int t) -> std::vector<float>& {
    return all[static_cast<std::size_t>(t)];
  };
  least_seconds(threads, [&](int t) {
    of(from, t).assign(kCopied, 1.0f);
    of(to, t).assign(kCopied, 0.0f);
  });
  const double seconds = least_seconds(
      threads, [&](int t) { std::copy(of(from, t).begin(), of(from, t).end(), of(to, t).begin()); });
  std::printf("copy: %.1f GB/s read and written\n",
              2.0 * sizeof(float) * static_cast<double>(kCopied) * threads / seconds / 1e9);
}
