// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
// CIFAR, binary version: records of one label (CIFAR-10) or a coarse and a fine label (CIFAR-100), then
// 32 x 32 bytes of red, of green and of blue. No header, no count.
#include <fmt/format.h>

#include <fstream>
#include <utility>

#include "apq/core/error.hpp"
#include "data/input_file.hpp"
#include "data/reader.hpp"

namespace apq::data {
namespace {

constexpr int kSide = 32, kChannels = 3, kPlane = kSide * kSide;

struct Cifar {
  std::vector<std::string> files;
  int records;                    ///< largest number in one file
  std::vector<int> label_ranges;  ///< of each label byte; the last label is the class
  const char* class_file;         ///< one class name per line; may be missing
  const char* hint;
};

void read_records(const std::filesystem::path& path, const Cifar& cifar, ImageSet& set) {
  const std::size_t labels = cifar.label_ranges.size();
  std::vector<std::uint8_t> record(labels + kChannels * kPlane);
  InputFile file(path);
  int index = 0;
  for (; index < cifar.records && file.read_next(record, fmt::format("image {}", index)); ++index) {
    for (std::size_t i = 0; i < labels; ++i)
      validate(
          record[i] < cifar.label_ranges[i], ErrorKind::data,
          "{}: label {} of image {} at byte {} is out of range (expected 0 to {}) is this the right file?",
          file.name(), record[i], index, file.offset() - record.size() + i, cifar.label_ranges[i] - 1);
    set.labels.push_back(record[labels - 1]);
    for (std::size_t pixel = 0; pixel < kPlane; ++pixel)
      for (std::size_t c = 0; c < kChannels; ++c) set.pixels.push_back(record[labels + c * kPlane + pixel]);
  }
  validate(index > 0, ErrorKind::data, "{}: no images (expected records of {} bytes, the file is empty) {}",
           file.name(), record.size(), cifar.hint);
  file.expect_end();
}

std::vector<std::string> read_class_names(const std::filesystem::path& path, int classes) {
  if (!std::filesystem::is_regular_file(path)) return numbered_classes(classes);
  std::vector<std::string> names;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  validate(std::cmp_equal(names.size(), classes), ErrorKind::data,
           "{}: wrong number of class names (expected {} lines, found {}) repair or remove it", path.string(),
           classes, names.size());
  return names;
}

ImageSet read_cifar(const DataOptions& options, const Cifar& cifar) {
  ImageSet set;
  set.size = kSide;
  set.channels = kChannels;
  set.classes = cifar.label_ranges.back();
  for (const std::string& name : cifar.files)
    read_records(find_file(options.path, name, cifar.hint), cifar, set);
  set.count = static_cast<int>(set.labels.size());
  set.class_names = read_class_names(options.path / cifar.class_file, set.classes);
  return set;
}

}  // namespace

ImageSet read_cifar10(const DataOptions& options, Part part) {
  std::vector<std::string> files{"test_batch.bin"};
  if (part == Part::train)
    files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
             "data_batch_5.bin"};
  return read_cifar(options, {files,
                              10000,
                              {10},
                              "batches.meta.txt",
                              "data.path must hold the files of the binary version of CIFAR-10"});
}

ImageSet read_cifar100(const DataOptions& options, Part part) {
  const bool train = part == Part::train;
  return read_cifar(options, {{train ? "train.bin" : "test.bin"},
                              train ? 50000 : 10000,
                              {20, 100},
                              "fine_label_names.txt",
                              "data.path must hold the files of the binary version of CIFAR-100"});
}

}  // namespace apq::data
