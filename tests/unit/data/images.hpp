// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdio>
// jpeglib.h needs size_t and FILE before it.
#include <jpeglib.h>
#include <png.h>

#include "unit/data/support.hpp"

namespace apq::data::test {

/// `data` is packed as the PNG standard asks: rows of whole bytes, 16-bit samples big-endian.
inline Bytes encode_png(int width, int height, int colour_type, int depth, const Bytes& data,
                        std::vector<png_color> palette = {}, Bytes palette_alpha = {}) {
  Bytes out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &out,
      [](png_structp p, png_bytep bytes, std::size_t count) {
        auto* sink = static_cast<Bytes*>(png_get_io_ptr(p));
        sink->insert(sink->end(), bytes, bytes + count);
      },
      [](png_structp) {});
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), depth,
               colour_type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!palette.empty()) png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  if (!palette_alpha.empty())
    png_set_tRNS(png, info, palette_alpha.data(), static_cast<int>(palette_alpha.size()), nullptr);
  png_write_info(png, info);
  const std::size_t stride = data.size() / static_cast<std::size_t>(height);
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y)
    png_write_row(png, data.data() + y * stride);
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return out;
}
inline Bytes gray_png(int width, int height, const Bytes& data) {
  return encode_png(width, height, PNG_COLOR_TYPE_GRAY, 8, data);
}
inline Bytes rgb_png(int width, int height, const Bytes& data) {
  return encode_png(width, height, PNG_COLOR_TYPE_RGB, 8, data);
}

enum class Scans { baseline, progressive, too_many };

/// Best quality, no colour subsampling.
inline Bytes encode_jpeg(int width, int height, J_COLOR_SPACE space, Bytes data,
                         Scans scans = Scans::baseline) {
  jpeg_compress_struct codec{};
  jpeg_error_mgr errors{};
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&codec, &memory, &size);
  codec.image_width = static_cast<JDIMENSION>(width);
  codec.image_height = static_cast<JDIMENSION>(height);
  codec.input_components = space == JCS_GRAYSCALE ? 1 : space == JCS_CMYK ? 4 : 3;
  codec.in_color_space = space;
  jpeg_set_defaults(&codec);
  jpeg_set_quality(&codec, 100, TRUE);
  codec.comp_info[0].h_samp_factor = codec.comp_info[0].v_samp_factor = 1;
  std::vector<jpeg_scan_info> script;
  if (scans == Scans::progressive) jpeg_simple_progression(&codec);
  if (scans == Scans::too_many) {  // gray: every coefficient in two scans of its own
    script.push_back({1, {0}, 0, 0, 0, 0});
    for (int k = 1; k < 64; ++k) script.push_back({1, {0}, k, k, 0, 1});
    for (int k = 1; k < 64; ++k) script.push_back({1, {0}, k, k, 1, 0});
    codec.scan_info = script.data();
    codec.num_scans = static_cast<int>(script.size());
  }
  jpeg_start_compress(&codec, TRUE);
  const std::size_t stride =
      static_cast<std::size_t>(width) * static_cast<std::size_t>(codec.input_components);
  while (codec.next_scanline < codec.image_height) {
    JSAMPROW row = data.data() + codec.next_scanline * stride;
    jpeg_write_scanlines(&codec, &row, 1);
  }
  jpeg_finish_compress(&codec);
  Bytes out(memory, memory + size);
  jpeg_destroy_compress(&codec);
  std::free(memory);
  return out;
}

}  // namespace apq::data::test
