// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "fuzz/parser.hpp"
#include "support/small_space.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace apq;
  static const space::SearchSpace space(test::small_space_options());
  return test::accepts_or_refuses(ErrorKind::data, [&] {
    const space::Genome genome = space.from_text(test::text_of(bytes, size));
    test::require(space.valid(genome), "an accepted genome is of the space");
    test::require(space.from_text(space.to_text(genome)) == space.canonical(genome),
                  "a genome survives writing and reading");
  });
}
