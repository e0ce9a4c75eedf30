// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <csetjmp>
#include <cstdio>
// jpeglib.h needs size_t and FILE before it.
#include <jpeglib.h>

#include "apq/core/error.hpp"
#include "data/picture.hpp"

namespace apq::data {
namespace {

constexpr long kLargestWorkspace = 1L << 29;  // bytes the library may allocate

/// The library reports errors by a callback that must not return: it jumps back into Jpeg::run. No object
/// with a destructor lives between the two.
struct Errors {
  jpeg_error_mgr base;  // first: the library hands back a pointer to it
  std::jmp_buf escape;
  char text[JMSG_LENGTH_MAX];
};

[[noreturn]] void on_error(j_common_ptr common) {
  auto* errors = reinterpret_cast<Errors*>(common->err);
  errors->base.format_message(common, errors->text);
  std::longjmp(errors->escape, 1);
}

// Level -1 is a warning: the file is damaged and the library would go on with invented pixels.
void on_message(j_common_ptr common, int level) {
  if (level < 0) on_error(common);
}

// A small file can make the library pass over a large image again and again.
void on_progress(j_common_ptr common) {
  auto* errors = reinterpret_cast<Errors*>(common->err);
  if (reinterpret_cast<j_decompress_ptr>(common)->input_scan_number <= kLargestScans) return;
  std::snprintf(errors->text, sizeof errors->text, "more than %d scans", kLargestScans);
  std::longjmp(errors->escape, 1);
}

class Jpeg {
 public:
  Jpeg(const std::string& name, std::span<const std::uint8_t> bytes) : name_(name), bytes_(bytes) {
    codec_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = on_error;
    errors_.base.emit_message = on_message;
    progress_.progress_monitor = on_progress;
    run([this] {
      jpeg_create_decompress(&codec_);
      codec_.mem->max_memory_to_use = kLargestWorkspace;
      codec_.progress = &progress_;
    });
  }
  ~Jpeg() { jpeg_destroy_decompress(&codec_); }
  Jpeg(const Jpeg&) = delete;
  Jpeg& operator=(const Jpeg&) = delete;

  PictureInfo read_header() {
    run([this] {
      jpeg_mem_src(&codec_, bytes_.data(), static_cast<unsigned long>(bytes_.size()));
      jpeg_read_header(&codec_, TRUE);
    });
    check_picture_size(name_, codec_.image_width, codec_.image_height);
    const bool gray = codec_.jpeg_color_space == JCS_GRAYSCALE;
    validate(
        gray || codec_.jpeg_color_space == JCS_YCbCr || codec_.jpeg_color_space == JCS_RGB, ErrorKind::data,
        "{}: JPEG with {} colour components in an unsupported colour space (expected gray or RGB, found {}) "
        "convert it to RGB",
        name_, codec_.num_components,
        codec_.jpeg_color_space == JCS_CMYK || codec_.jpeg_color_space == JCS_YCCK ? "CMYK" : "another");
    codec_.out_color_space = gray ? JCS_GRAYSCALE : JCS_RGB;
    return {static_cast<int>(codec_.image_width), static_cast<int>(codec_.image_height), gray ? 1 : 3};
  }

  Picture decode() {
    Picture picture{read_header(), {}};
    const std::size_t stride = static_cast<std::size_t>(picture.width) * picture.channels;
    picture.pixels.resize(stride * picture.height);
    std::uint8_t* pixels = picture.pixels.data();
    run([this, pixels, stride] {
      jpeg_start_decompress(&codec_);
      while (codec_.output_scanline < codec_.output_height) {
        JSAMPROW row = pixels + codec_.output_scanline * stride;
        jpeg_read_scanlines(&codec_, &row, 1);
      }
      jpeg_finish_decompress(&codec_);
    });
    return picture;
  }

 private:
  template <class Step>
  void run(Step step) {
    if (setjmp(errors_.escape) == 0)
      step();
    else
      fail(ErrorKind::data, "{}: damaged JPEG near byte {} of {} ({}) remove or replace it", name_,
           position(), bytes_.size(), errors_.text);
  }

  // At the end of the data the library reads from an end marker of its own.
  std::size_t position() const {
    const std::size_t left = codec_.src ? codec_.src->bytes_in_buffer : 0;
    const bool inside = codec_.src && codec_.src->next_input_byte + left == bytes_.data() + bytes_.size();
    return bytes_.size() - (inside ? left : 0);
  }

  std::string name_;
  std::span<const std::uint8_t> bytes_;
  Errors errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct codec_{};
};

}  // namespace

PictureInfo jpeg_info(const std::string& name, std::span<const std::uint8_t> bytes) {
  return Jpeg(name, bytes).read_header();
}

Picture decode_jpeg(const std::string& name, std::span<const std::uint8_t> bytes) {
  return Jpeg(name, bytes).decode();
}

}  // namespace apq::data
