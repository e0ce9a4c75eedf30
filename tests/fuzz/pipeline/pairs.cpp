// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "fuzz/parser.hpp"
#include "pipeline/pairs_file.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace apq;
  return test::accepts_or_refuses(ErrorKind::data, [&] {
    const std::string text = pipeline::pairs_text(pipeline::parse_pairs(test::text_of(bytes, size), "input"));
    test::require(pipeline::pairs_text(pipeline::parse_pairs(text, "copy")) == text,
                  "pairs survive writing and reading");
  });
}
