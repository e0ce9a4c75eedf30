// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace apq::data {

/// Limits tested on the header, before any pixel is decoded: a file of a few kilobytes can ask for gigabytes.
inline constexpr std::int64_t kLargestPicture = std::int64_t{1} << 25;  ///< pixels
inline constexpr int kLargestScans = 100;                               ///< of a progressive JPEG

/// 1 channel (gray) or 3 (red, green, blue), 8 bits each.
struct PictureInfo {
  int width = 0, height = 0, channels = 0;
};
struct Picture : PictureInfo {
  std::vector<std::uint8_t> pixels;  ///< [height][width][channels]
};

/// One pair per file format, over the bytes of the file `name`; info reads the header only. Defects, warnings
/// of the JPEG library included, are an Error(data) naming the file and the byte.
PictureInfo jpeg_info(const std::string& name, std::span<const std::uint8_t> bytes);
Picture decode_jpeg(const std::string& name, std::span<const std::uint8_t> bytes);
PictureInfo png_info(const std::string& name, std::span<const std::uint8_t> bytes);
Picture decode_png(const std::string& name, std::span<const std::uint8_t> bytes);
/// Both decoders call it between header and pixels.
void check_picture_size(const std::string& name, std::uint64_t width, std::uint64_t height);

/// JPEG or PNG, told apart by their first bytes.
PictureInfo read_picture_info(const std::filesystem::path& path);
Picture read_picture(const std::filesystem::path& path);

/// The square in the middle, resized to size x size: the mean over the area of each new pixel when shrinking,
/// bilinear when growing. Integer arithmetic, so the same everywhere.
Picture square(Picture picture, int size);

}  // namespace apq::data
