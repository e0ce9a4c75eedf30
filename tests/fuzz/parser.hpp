// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "apq/core/error.hpp"

/// Each file of tests/fuzz/<room> defines it for one parser: libFuzzer calls it, or replay.cpp.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

namespace apq::test {

/// A parser accepts its input or refuses it with an error of this kind; anything else ends the process.
template <class Parse>
int accepts_or_refuses(ErrorKind refusal, Parse parse) {
  try {
    parse();
  } catch (const Error& error) {
    if (error.kind() == refusal) return 0;
    std::fprintf(stderr, "an error of kind %d: %s\n", error.exit_code(), error.what());
    std::abort();
  }
  return 0;
}

inline std::string text_of(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

/// What must hold for an input that was accepted.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace apq::test
