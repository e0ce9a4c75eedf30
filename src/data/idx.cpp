// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
// IDX, the format of MNIST and its successors: a big-endian magic number (type 8 = unsigned byte, number of
// dimensions), the dimensions, the bytes.
#include <fmt/format.h>

#include <array>
#include <limits>
#include <utility>

#include "apq/core/error.hpp"
#include "data/input_file.hpp"
#include "data/reader.hpp"

namespace apq::data {
namespace {

constexpr std::uint32_t kImageMagic = 0x00000803;
constexpr std::uint32_t kLabelMagic = 0x00000801;
constexpr int kLabelHeader = 8;  // bytes before the first label

std::filesystem::path find(const DataOptions& options, Part part, const char* what) {
  return find_file(options.path, fmt::format("{}-{}-ubyte", part == Part::train ? "train" : "t10k", what),
                   "set data.path; Fashion-MNIST comes with the Debian package dataset-fashion-mnist, in "
                   "/usr/share/datasets/fashion-mnist");
}

/// Checks the magic number and returns the number of items.
int read_count(InputFile& file, std::uint32_t magic) {
  const std::uint32_t found = file.read_big_endian("the magic number");
  validate(found == magic, ErrorKind::data,
           "{}: wrong magic number at byte 0 (expected 0x{:08x}, found 0x{:08x}) is this the right file?",
           file.name(), magic, found);
  const std::uint32_t count = file.read_big_endian("the number of items");
  validate(
      count >= 1 && count <= std::numeric_limits<std::int32_t>::max(), ErrorKind::data,
      "{}: impossible number of items at byte 4 (expected 1 to 2147483647, found {}) is the header damaged?",
      file.name(), count);
  return static_cast<int>(count);
}

void read_images(const std::filesystem::path& path, ImageSet& set) {
  InputFile file(path);
  set.count = read_count(file, kImageMagic);
  const std::uint32_t rows = file.read_big_endian("the number of rows");
  const std::uint32_t columns = file.read_big_endian("the number of columns");
  validate(rows == columns && rows >= 1 && rows <= kLargestSide, ErrorKind::data,
           "{}: impossible image size at byte 8 (expected a square of 1 to {} pixels a side, found {} x {}) "
           "is the "
           "header damaged?",
           file.name(), kLargestSide, rows, columns);
  set.size = static_cast<int>(rows);
  set.channels = 1;
  const std::uint64_t bytes = set.image_bytes() * static_cast<std::uint64_t>(set.count);
  check_memory(path, bytes);
  set.pixels = file.read_bytes(bytes, fmt::format("{} images of {} x {}", set.count, rows, columns));
  file.expect_end();
}

std::vector<std::int32_t> read_labels(const std::filesystem::path& path) {
  InputFile file(path);
  const int count = read_count(file, kLabelMagic);
  const auto bytes = file.read_bytes(static_cast<std::uint64_t>(count), fmt::format("{} labels", count));
  file.expect_end();
  return {bytes.begin(), bytes.end()};
}

void check_labels(const std::filesystem::path& path, const std::vector<std::int32_t>& labels, int classes) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    validate(
        labels[i] < classes, ErrorKind::data,
        "{}: label {} of image {} at byte {} is out of range (expected 0 to {}: the training labels below {} "
        "are the ones without a gap) labels must be numbered 0, 1, 2, ...",
        path.string(), labels[i], i, kLabelHeader + i, classes - 1, classes);
}

/// The format does not say how many classes there are: labels 0, 1, ... up to the first one no training image
/// has.
int count_classes(const std::vector<std::int32_t>& train_labels) {
  std::array<bool, 257> seen{};
  for (const std::int32_t label : train_labels) seen[static_cast<std::size_t>(label)] = true;
  int classes = 0;
  while (seen[static_cast<std::size_t>(classes)]) ++classes;
  return classes;
}

}  // namespace

ImageSet read_idx(const DataOptions& options, Part part) {
  ImageSet set;
  const auto images_path = find(options, part, "images-idx3"),
             labels_path = find(options, part, "labels-idx1");
  read_images(images_path, set);
  set.labels = read_labels(labels_path);
  validate(
      std::cmp_equal(set.labels.size(), set.count), ErrorKind::data,
      "{}: wrong number of labels at byte 4 (expected {} as in {}, found {}) are the files from one set?",
      labels_path.string(), set.count, images_path.string(), set.labels.size());
  set.classes = count_classes(part == Part::train ? set.labels
                                                  : read_labels(find(options, Part::train, "labels-idx1")));
  check_labels(labels_path, set.labels, set.classes);
  set.class_names = numbered_classes(set.classes);
  return set;
}

}  // namespace apq::data
