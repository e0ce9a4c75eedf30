// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "apq/core/error.hpp"
#include "data/picture.hpp"
#include "data/reader.hpp"

namespace apq::data {
namespace {

constexpr png_alloc_size_t kLargestChunk = 1 << 23;  // bytes a text or colour profile may unpack to

/// The library reports errors by a callback that must not return: it jumps back into Png::run. No object with
/// a destructor lives between the two.
class Png {
 public:
  Png(const std::string& name, std::span<const std::uint8_t> bytes) : name_(name), bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_read_fn(png_, this, on_read);
    png_set_user_limits(png_, kLargestSide, kLargestSide);
    png_set_chunk_malloc_max(png_, kLargestChunk);
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  }
  ~Png() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Png(const Png&) = delete;
  Png& operator=(const Png&) = delete;

  PictureInfo read_header() {
    run([this] { png_read_info(png_, info_); });
    const std::uint32_t width = png_get_image_width(png_, info_), height = png_get_image_height(png_, info_);
    check_picture_size(name_, width, height);
    const bool colour = png_get_color_type(png_, info_) & PNG_COLOR_MASK_COLOR;
    return {static_cast<int>(width), static_cast<int>(height), colour ? 3 : 1};
  }

  Picture decode() {
    Picture picture{read_header(), {}};
    const std::size_t stride = static_cast<std::size_t>(picture.width) * picture.channels;
    run([this] { convert_to_bytes(); });
    APQ_ASSERT(png_get_rowbytes(png_, info_) == stride);
    picture.pixels.resize(stride * picture.height);
    std::vector<png_bytep> rows;
    for (int y = 0; y < picture.height; ++y) rows.push_back(picture.pixels.data() + y * stride);
    png_bytep* first = rows.data();
    run([this, first] {
      png_read_image(png_, first);
      png_read_end(png_, nullptr);
    });
    return picture;
  }

 private:
  // Palettes become colours, 1, 2, 4 and 16 bits become 8, transparency is dropped. From here on a complaint
  // is about the pixels, so it is an error.
  void convert_to_bytes() {
    png_set_benign_errors(png_, 0);
    png_set_scale_16(png_);
    png_set_expand(png_);
    png_set_strip_alpha(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  }

  static void on_error(png_structp png, png_const_charp text) {
    auto* self = static_cast<Png*>(png_get_error_ptr(png));
    std::snprintf(self->text_, sizeof self->text_, "%s", text);
    std::longjmp(self->escape_, 1);
  }

  static void on_warning(png_structp, png_const_charp) {}

  static void on_read(png_structp png, png_bytep out, std::size_t count) {
    auto* self = static_cast<Png*>(png_get_io_ptr(png));
    if (count > self->bytes_.size() - self->position_) png_error(png, "the file ends too early");
    std::memcpy(out, self->bytes_.data() + self->position_, count);
    self->position_ += count;
  }

  template <class Step>
  void run(Step step) {
    if (setjmp(escape_) == 0)
      step();
    else
      fail(ErrorKind::data, "{}: damaged PNG near byte {} of {} ({}) remove or replace it", name_, position_,
           bytes_.size(), text_);
  }

  std::string name_;
  std::span<const std::uint8_t> bytes_;
  std::size_t position_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf escape_;
  char text_[256] = "";
};

}  // namespace

PictureInfo png_info(const std::string& name, std::span<const std::uint8_t> bytes) {
  return Png(name, bytes).read_header();
}

Picture decode_png(const std::string& name, std::span<const std::uint8_t> bytes) {
  return Png(name, bytes).decode();
}

}  // namespace apq::data
