// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "fuzz/parser.hpp"
#include "pipeline/table_file.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace apq;
  return test::accepts_or_refuses(ErrorKind::data, [&] {
    std::vector<std::string> problems;
    pipeline::parse_table(test::text_of(bytes, size), "input", problems);
  });
}
