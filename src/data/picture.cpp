// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "data/picture.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "apq/core/error.hpp"
#include "data/reader.hpp"

namespace apq::data {
namespace {

constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 28;  // bytes

std::vector<std::uint8_t> read_all(const std::filesystem::path& path) {
  validate(std::filesystem::is_regular_file(path), ErrorKind::data,
           "{}: not a file (expected an image) remove it", path.string());
  const std::uint64_t bytes = std::filesystem::file_size(path);
  validate(bytes >= 1 && bytes <= kLargestFile, ErrorKind::data,
           "{}: impossible size of an image file (expected 1 to {} bytes, found {}) remove or replace it",
           path.string(), kLargestFile, bytes);
  std::ifstream file(path, std::ios::binary);
  validate(file.is_open(), ErrorKind::io, "{}: cannot open it ({})", path.string(), std::strerror(errno));
  std::vector<std::uint8_t> content(bytes);
  file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(bytes));
  validate(!file.bad() && std::cmp_equal(file.gcount(), bytes), ErrorKind::io,
           "{}: reading failed (expected {} bytes, got {})", path.string(), bytes, file.gcount());
  return content;
}

struct Decoder {
  PictureInfo (*info)(const std::string&, std::span<const std::uint8_t>);
  Picture (*decode)(const std::string&, std::span<const std::uint8_t>);
};

Decoder decoder_of(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  const auto at = [&](std::size_t i) { return i < bytes.size() ? int{bytes[i]} : -1; };
  if (at(0) == 0xff && at(1) == 0xd8) return {jpeg_info, decode_jpeg};
  if (at(0) == 0x89 && at(1) == 'P' && at(2) == 'N' && at(3) == 'G') return {png_info, decode_png};
  fail(ErrorKind::data,
       "{}: neither JPEG nor PNG (expected ff d8 or 89 50 4e 47 at byte 0, found {:02x} {:02x}) "
       "remove or convert it",
       path.string(), at(0), std::max(at(1), 0));
}

/// What one pixel of a resized axis is made of: source pixels first, first + 1, ... in integer parts of
/// `total`.
struct Taps {
  int first = 0;
  std::vector<std::int64_t> parts;
  std::int64_t total = 1;
};

// Lengths are counted in 1/to of a source pixel: source pixel k covers [k*to, (k+1)*to), new pixel i covers
// [i*from, (i+1)*from).
Taps area_taps(int i, int from, int to) {
  const std::int64_t begin = std::int64_t{i} * from, end = begin + from;
  Taps taps{static_cast<int>(begin / to), {}, from};
  for (std::int64_t k = taps.first; k * to < end; ++k)
    taps.parts.push_back(std::min(end, (k + 1) * to) - std::max(begin, k * to));
  return taps;
}

// The centre of new pixel i lies at ((2i+1)*from - to) / (2*to) between the centres of two source pixels; the
// border pixel is repeated.
Taps linear_taps(int i, int from, int to) {
  const std::int64_t unit = 2 * std::int64_t{to};
  const std::int64_t centre =
      std::clamp<std::int64_t>((2 * std::int64_t{i} + 1) * from - to, 0, (from - 1) * unit);
  const std::int64_t right = centre % unit;
  Taps taps{static_cast<int>(centre / unit), {unit - right}, unit};
  if (right > 0) taps.parts.push_back(right);
  return taps;
}

std::vector<Taps> axis_taps(int from, int to) {
  std::vector<Taps> axis;
  for (int i = 0; i < to; ++i) axis.push_back(from >= to ? area_taps(i, from, to) : linear_taps(i, from, to));
  return axis;
}

}  // namespace

void check_picture_size(const std::string& name, std::uint64_t width, std::uint64_t height) {
  const bool ok = width >= 1 && height >= 1 && width <= kLargestSide && height <= kLargestSide &&
                  width * height <= static_cast<std::uint64_t>(kLargestPicture);
  validate(ok, ErrorKind::data,
           "{}: image of {} x {} pixels refused (allowed: sides of 1 to {}, at most {} pixels) shrink or "
           "remove it",
           name, width, height, kLargestSide, kLargestPicture);
}

PictureInfo read_picture_info(const std::filesystem::path& path) {
  const auto bytes = read_all(path);
  return decoder_of(path, bytes).info(path.string(), bytes);
}

Picture read_picture(const std::filesystem::path& path) {
  const auto bytes = read_all(path);
  return decoder_of(path, bytes).decode(path.string(), bytes);
}

Picture square(Picture picture, int size) {
  if (picture.width == size && picture.height == size) return picture;
  const int side = std::min(picture.width, picture.height), channels = picture.channels;
  const int left = (picture.width - side) / 2, top = (picture.height - side) / 2;
  const std::vector<Taps> axis = axis_taps(side, size);
  Picture result{{size, size, channels}, {}};
  result.pixels.reserve(static_cast<std::size_t>(size) * size * channels);
  for (const Taps& ys : axis)
    for (const Taps& xs : axis)
      for (int c = 0; c < channels; ++c) {
        std::int64_t sum = ys.total * xs.total / 2;  // rounds to nearest
        for (std::size_t dy = 0; dy < ys.parts.size(); ++dy) {
          const std::size_t row = (top + ys.first + dy) * picture.width + left + xs.first;
          for (std::size_t dx = 0; dx < xs.parts.size(); ++dx)
            sum += ys.parts[dy] * xs.parts[dx] * picture.pixels[(row + dx) * channels + c];
        }
        result.pixels.push_back(static_cast<std::uint8_t>(sum / (ys.total * xs.total)));
      }
  return result;
}

}  // namespace apq::data
