// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
// One folder per class: train/<class>/* and test/<class>/*, JPEG or PNG. Classes and files are numbered in
// the byte order of their names; names that start with a dot are passed over.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "apq/core/error.hpp"
#include "apq/core/log.hpp"
#include "apq/core/watchdog.hpp"
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

/// Lets up to `allowed` damaged images be left out, each named in the log.
class Damaged {
 public:
  explicit Damaged(std::int64_t allowed) : allowed_(allowed) {}

  /// True when `read` works.
  template <class Read>
  bool accepts(Read read) {
    heartbeat();
    try {
      read();
      return true;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data || allowed_ == 0) throw;
      validate(++count_ <= allowed_, ErrorKind::data, "{}; more damaged images than data.skip_bad = {}",
               error.what(), allowed_);
      log::warn("left out: {}", error.what());
      return false;
    }
  }

 private:
  std::int64_t allowed_, count_ = 0;
};

/// Looks at the headers only. Without a wanted size, all images must be squares of one size.
void settle_shape(std::vector<Entry>& images, int wanted, ImageSet& set, Damaged& damaged) {
  std::vector<Entry> intact;
  for (const Entry& entry : images) {
    PictureInfo info;
    if (!damaged.accepts([&] { info = read_picture_info(entry.path); })) continue;
    intact.push_back(entry);
    if (set.size == 0) set.size = info.width;
    validate(wanted > 0 || (info.width == set.size && info.height == set.size), ErrorKind::data,
             "{}: image of another size (expected {} x {}, found {} x {}) set data.size to resize all images",
             entry.path.string(), set.size, set.size, info.width, info.height);
    set.channels = std::max(set.channels, info.channels);
  }
  images = std::move(intact);
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
  Damaged damaged(options.skip_bad);
  auto train_images = list_images(train, set.class_names);
  std::vector<Entry> test_images;
  if (part == Part::test || fs::exists(test)) test_images = list_images(test, set.class_names);
  set.size = options.size;
  settle_shape(train_images, options.size, set, damaged);
  settle_shape(test_images, options.size, set, damaged);

  const auto& images = part == Part::train ? train_images : test_images;
  validate(images.size() <= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()),
           ErrorKind::data, "{}: too many images ({}) use fewer", options.path.string(), images.size());
  check_memory(options.path, set.image_bytes() * static_cast<std::uint64_t>(images.size()));
  set.pixels.reserve(set.image_bytes() * images.size());
  for (const Entry& entry : images) {
    Picture picture;
    if (!damaged.accepts([&] { picture = square(read_picture(entry.path), set.size); })) continue;
    append(picture, set.channels, set.pixels);
    set.labels.push_back(entry.label);
  }
  set.count = static_cast<int>(set.labels.size());
  validate(set.count > 0, ErrorKind::data, "{}: no intact image (all were left out)", options.path.string());
  return set;
}

}  // namespace apq::data
