// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "data/reader.hpp"
#include "fuzz/parser.hpp"
#include "fuzz/scratch_file.hpp"

/// The images of a training set with two labels.
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace apq;
  static const test::ScratchFolder folder;
  static const std::uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 1};
  static const auto label_file = folder.write("train-labels-idx1-ubyte", labels);
  folder.write("train-images-idx3-ubyte", {bytes, size});
  data::DataOptions options;
  options.path = folder.path();
  return test::accepts_or_refuses(ErrorKind::data, [&] { data::read_idx(options, data::Part::train); });
}
