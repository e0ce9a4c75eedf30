// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "data/picture.hpp"

#include "fuzz/parser.hpp"
#include "fuzz/scratch_file.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace apq;
  static const test::ScratchFolder folder;
  return test::accepts_or_refuses(ErrorKind::data, [&] {
    const auto file = folder.write("input", {bytes, size});
    data::read_picture_info(file);
    data::square(data::read_picture(file), 8);
  });
}
