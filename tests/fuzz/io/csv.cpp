// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/io/files.hpp"
#include "fuzz/parser.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  return apq::test::accepts_or_refuses(apq::ErrorKind::data,
                                       [&] { apq::io::parse_csv(apq::test::text_of(bytes, size), "input"); });
}
