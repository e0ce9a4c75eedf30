// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
// One folder per class: train/<class>/* and test/<class>/*, JPEG or PNG. Classes and files are numbered in
// the byte order of their names; names that start with a dot are passed over.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "apq/core/error.hpp"
#include "data/picture.hpp"
#include "data/reader.hpp"

namespace apq::data {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> sorted_names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (!entry.path().filename().string().starts_with('.')) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> class_names(const fs::path& folder) {
  validate(fs::is_directory(folder), ErrorKind::data,
           "{}: no such folder (format folder reads train/<class>/* and test/<class>/*) set data.path",
           folder.string());
  std::vector<std::string> names = sorted_names(folder);
  validate(!names.empty(), ErrorKind::data,
           "{}: no class folders (expected one per class, found none) set data.path", folder.string());
  for (const std::string& name : names)
    validate(fs::is_directory(folder / name), ErrorKind::data,
             "{}: not a folder (only class folders may lie here) move it away", (folder / name).string());
  return names;
}

struct Entry {
  fs::path path;
  std::int32_t label;
};

std::vector<Entry> list_images(const fs::path& folder, const std::vector<std::string>& classes) {
  const auto found = class_names(folder);
  validate(found == classes, ErrorKind::data,
           "{}: other classes than in train (expected {}, found {}) make the class folders the same",
           folder.string(), fmt::join(classes, ", "), fmt::join(found, ", "));
  std::vector<Entry> images;
  for (std::size_t label = 0; label < classes.size(); ++label) {
    const auto files = sorted_names(folder / classes[label]);
    validate(!files.empty(), ErrorKind::data,
             "{}: no images (expected at least one, found none) add some or remove it",
             (folder / classes[label]).string());
    for (const std::string& file : files)
      images.push_back({folder / classes[label] / file, static_cast<std::int32_t>(label)});
  }
  return images;
}

/// Looks at the headers only. Without a wanted size, all images must be squares of one size.
void settle_shape(const std::vector<Entry>& images, int wanted, ImageSet& set) {
  set.size = wanted;
  for (const Entry& entry : images) {
    const PictureInfo info = read_picture_info(entry.path);
    if (set.size == 0) set.size = info.width;
    validate(wanted > 0 || (info.width == set.size && info.height == set.size), ErrorKind::data,
             "{}: image of another size (expected {} x {}, found {} x {}) set data.size to resize all images",
             entry.path.string(), set.size, set.size, info.width, info.height);
    set.channels = std::max(set.channels, info.channels);
  }
}

void append(const Picture& picture, int channels, std::vector<std::uint8_t>& pixels) {
  if (picture.channels == channels) {
    pixels.insert(pixels.end(), picture.pixels.begin(), picture.pixels.end());
    return;
  }
  for (const std::uint8_t gray : picture.pixels)
    pixels.insert(pixels.end(), static_cast<std::size_t>(channels), gray);
}

}  // namespace

ImageSet read_folder(const DataOptions& options, Part part) {
  const fs::path train = options.path / "train", test = options.path / "test";
  ImageSet set;
  set.class_names = class_names(train);
  set.classes = static_cast<int>(set.class_names.size());

  // Both parts must agree on size and colour, so the headers of both decide, and a file that does not fit is
  // reported before a long run instead of at its end.
  auto images = list_images(train, set.class_names);
  const std::size_t train_count = images.size();
  if (part == Part::test || fs::exists(test))
    std::ranges::move(list_images(test, set.class_names), std::back_inserter(images));
  settle_shape(images, options.size, set);

  const auto first = images.begin() + (part == Part::train ? 0 : static_cast<std::ptrdiff_t>(train_count));
  const auto last =
      part == Part::train ? images.begin() + static_cast<std::ptrdiff_t>(train_count) : images.end();
  validate(last - first <= std::numeric_limits<std::int32_t>::max(), ErrorKind::data,
           "{}: too many images ({}) use fewer", options.path.string(), last - first);
  set.count = static_cast<int>(last - first);
  check_memory(options.path, set.image_bytes() * static_cast<std::uint64_t>(set.count));
  set.pixels.reserve(set.image_bytes() * static_cast<std::size_t>(set.count));
  for (auto entry = first; entry != last; ++entry) {
    append(square(read_picture(entry->path), set.size), set.channels, set.pixels);
    set.labels.push_back(entry->label);
  }
  return set;
}

}  // namespace apq::data
