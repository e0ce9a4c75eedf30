// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "apq/comm/communicator.hpp"
#include "apq/core/error.hpp"
#include "apq/search/evolution.hpp"

namespace apq::island {

/// Plain numbers one after the other.
class Writer {
 public:
  template <class T>
  void put(const T& value) {
    static_assert(std::is_arithmetic_v<T>);
    const auto* first = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), first, first + sizeof value);
  }
  void append(std::span<const std::byte> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  comm::Bytes take() { return std::move(bytes_); }

 private:
  comm::Bytes bytes_;
};

/// Reads what Writer wrote; throws Error(`kind`) naming `origin` at the end of the bytes.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, ErrorKind kind, std::string origin)
      : bytes_(bytes), kind_(kind), origin_(std::move(origin)) {}
  template <class T>
  T get() {
    static_assert(std::is_arithmetic_v<T>);
    require(bytes_.size() >= sizeof(T), "it ends too early");
    T value;
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_ = bytes_.subspan(sizeof value);
    return value;
  }
  std::span<const std::byte> take(std::size_t size) {
    require(bytes_.size() >= size, "it ends too early");
    const auto taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }
  bool done() const { return bytes_.empty(); }
  void require(bool ok, const char* reason) const {
    validate(ok, kind_, "{} is malformed ({}) do all ranks run the same program and configuration?", origin_,
             reason);
  }

 private:
  std::span<const std::byte> bytes_;
  ErrorKind kind_;
  std::string origin_;
};

void write(Writer& writer, const std::vector<search::Individual>& individuals);
std::vector<search::Individual> read(Reader& reader, const space::SearchSpace& space);

}  // namespace apq::island
