// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace apq::nn {

inline constexpr std::size_t kCacheLine = 64;
/// Memory from the start of a cache line; large blocks in huge pages where the system has them, since a first
/// step would else spend a third of its time in faults of small ones.
void* allocate_aligned(std::size_t bytes);
void free_aligned(void* p, std::size_t bytes);

/// Allocator of cache-line aligned memory that leaves plain numbers uninitialised.
template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(allocate_aligned(n * sizeof(T))); }
  void deallocate(T* p, std::size_t n) { free_aligned(p, n * sizeof(T)); }
  template <class U>
  void construct(U* p) {
    ::new (static_cast<void*>(p)) U;
  }
  template <class U, class... Args>
  void construct(U* p, Args&&... args) {
    ::new (static_cast<void*>(p)) U(static_cast<Args&&>(args)...);
  }
  template <class U>
  bool operator==(const AlignedAllocator<U>&) const {
    return true;
  }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

/// Memory that only grows: `get(n)` is valid until the next larger request. Contents are undefined.
template <class T>
class Scratch {
 public:
  T* get(std::size_t n) {
    if (data_.size() < n) {
      data_.clear();
      data_.resize(n);
    }
    return data_.data();
  }
  T* data() { return data_.data(); }

 private:
  AlignedVector<T> data_;
};

}  // namespace apq::nn
