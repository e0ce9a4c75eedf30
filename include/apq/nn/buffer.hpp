// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace apq::nn {

/// Allocator of cache-line aligned memory that leaves plain numbers uninitialised.
template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new (n * sizeof(T), std::align_val_t{64})); }
  void deallocate(T* p, std::size_t) { ::operator delete (p, std::align_val_t{64}); }
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
