// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/config/config.hpp"
#include "fuzz/parser.hpp"
#include "fuzz/scratch_file.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace apq;
  static const test::ScratchFolder folder;
  return test::accepts_or_refuses(ErrorKind::usage, [&] {
    const config::Config config = config::load(folder.write("input.yaml", {bytes, size}));
    const std::string text = config::dump(config);
    const auto copy =
        folder.write("copy.yaml", {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    test::require(config::hash(config::load(copy)) == config::hash(config),
                  "a configuration survives writing and reading");
  });
}
