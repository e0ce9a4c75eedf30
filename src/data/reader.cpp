// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "data/reader.hpp"

#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <new>
#include <span>

#include "apq/core/error.hpp"
#include "apq/core/hash.hpp"

namespace apq::data {
namespace {

struct Reader {
  std::string_view name;
  ImageSet (*read)(const DataOptions&, Part);
};

#define APQ_READER_ROW(name) Reader{#name, read_##name},
constexpr Reader kReaders[] = {APQ_DATA_FORMATS(APQ_READER_ROW)};
#undef APQ_READER_ROW

ImageSet read(const DataOptions& options, Part part) {
  const auto* reader = std::ranges::find(kReaders, options.format, &Reader::name);
  validate(reader != std::end(kReaders), ErrorKind::usage,
           "unknown data format '{}' (there are {}) set data.format", options.format,
           fmt::join(formats(), ", "));
  validate(options.size >= 0 && options.size <= static_cast<int>(kLargestSide), ErrorKind::usage,
           "data.size is {} (allowed: 0 to {}) 0 keeps the images' own size", options.size, kLargestSide);
  validate(std::filesystem::is_directory(options.path), ErrorKind::data,
           "{}: no such folder (format {} reads its files from there) set data.path", options.path.string(),
           options.format);
  ImageSet set = reader->read(options, part);
  validate(options.size == 0 || options.size == set.size, ErrorKind::usage,
           "data.size is {} (images of format {} are {} x {} and are not resized) set it to 0", options.size,
           options.format, set.size, set.size);
  return set;
}

// What the system refuses while reading is an I/O error of the run, not a defect of the data.
ImageSet guarded_read(const DataOptions& options, Part part) {
  try {
    return read(options, part);
  } catch (const std::filesystem::filesystem_error& error) {
    fail(ErrorKind::io, "cannot read data below {} ({})", options.path.string(), error.what());
  } catch (const std::bad_alloc&) {
    fail(ErrorKind::environment,
         "not enough memory for the images in {} (allocation failed) use fewer or smaller images",
         options.path.string());
  }
}

}  // namespace

std::uint64_t ImageSet::hash(std::span<const std::uint8_t> pixels) const {
  const std::array<int, 4> shape{count, size, channels, classes};
  std::uint64_t h = hash_bytes(std::as_bytes(std::span(shape)));
  h = hash_bytes(std::as_bytes(pixels), h);
  return hash_bytes(std::as_bytes(std::span(labels)), h);
}

ImageSet read_train(const DataOptions& options) { return guarded_read(options, Part::train); }
ImageSet read_test(const DataOptions& options) { return guarded_read(options, Part::test); }

std::vector<std::string> formats() {
  std::vector<std::string> names;
  for (const Reader& reader : kReaders) names.emplace_back(reader.name);
  return names;
}

std::filesystem::path find_file(const std::filesystem::path& folder, const std::string& name,
                                std::string_view hint) {
  for (const char* suffix : {"", ".gz"}) {
    const auto path = folder / (name + suffix);
    if (std::filesystem::is_regular_file(path)) return path;
  }
  fail(ErrorKind::data, "{}: file not found (neither {} nor {}.gz is there) {}", (folder / name).string(),
       name, name, hint);
}

void check_memory(const std::filesystem::path& path, std::uint64_t bytes) {
  const std::uint64_t memory = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
  validate(bytes < memory, ErrorKind::data,
           "{}: its images would take {} bytes (this machine's memory is {}) is the header damaged?",
           path.string(), bytes, memory);
}

std::vector<std::string> numbered_classes(int classes) {
  std::vector<std::string> names;
  for (int i = 0; i < classes; ++i) names.push_back(std::to_string(i));
  return names;
}

}  // namespace apq::data
