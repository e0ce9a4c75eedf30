// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/io/archive.hpp"

#include "fuzz/parser.hpp"
#include "io/frame.hpp"

/// As a file, which hardly any mutation leaves valid, and as the content of a valid frame.
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace apq;
  const auto input = std::as_bytes(std::span(bytes, size));
  const auto read = [](std::span<const std::byte> frame) {
    test::accepts_or_refuses(ErrorKind::checkpoint, [&] {
      const io::Archive archive = io::Archive::from_frame(frame, "fuzz", "input", 1 << 20);
      const auto again = archive.to_frame("fuzz");
      test::require(io::Archive::from_frame(again, "fuzz", "copy").to_frame("fuzz") == again,
                    "an archive survives writing and reading");
    });
  };
  read(input);
  read(io::make_frame("fuzz", input));
  return 0;
}
