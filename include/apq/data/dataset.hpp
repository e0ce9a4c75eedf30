// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace apq::data {

/// Images as bytes, channels last, square; labels 0..classes-1.
struct ImageSet {
  int count = 0, size = 0, channels = 0, classes = 0;
  std::vector<std::uint8_t> pixels;  ///< [count][size][size][channels]
  std::vector<std::int32_t> labels;
  std::vector<std::string> class_names;
  std::size_t image_bytes() const { return static_cast<std::size_t>(size) * size * channels; }
  std::uint64_t hash() const { return hash(pixels); }
  /// With the pixels elsewhere.
  std::uint64_t hash(std::span<const std::uint8_t> pixels) const;
};

struct DataOptions {
  std::string format = "idx";  ///< idx, cifar10, cifar100, folder
  std::filesystem::path path = "/usr/share/datasets/fashion-mnist";
  int size = 0;               ///< folder: images are resized to this (0: all must have one size)
  std::int64_t skip_bad = 0;  ///< folder: up to so many damaged images are left out, each named in the log
  std::int64_t validation = 5000;  ///< images of the training set held out for validation
  std::int64_t train_limit = 0;    ///< use only that many training images; 0 = all
  int crop = 2;                    ///< augmentation: random shift by up to this many pixels
  bool flip = true;                ///< augmentation: mirror half of the images
  int erase = 0;                   ///< augmentation: side of a random square set to the mean; 0 = off
};

/// Readers. Every defect is an Error(data) naming file, offset, expected and found.
/// idx: train-images-idx3-ubyte[.gz] and so on in `path`. cifar10/100: the binary version's files.
/// folder: path/train/<class>/* and path/test/<class>/* with JPEG or PNG images.
ImageSet read_train(const DataOptions& options);
ImageSet read_test(const DataOptions& options);
/// Registered format names.
std::vector<std::string> formats();

/// Training images split into train and validation by seed, stratified by class; normalisation from the train
/// part. An object serves one thread at a time: train_batch remembers the last epoch's order.
class Dataset {
 public:
  /// Takes the training file only; the test set is read by read_test when the last stage asks for it.
  /// Error(usage) naming the option that does not fit the images.
  Dataset(ImageSet train, const DataOptions& options, std::uint64_t seed);
  /// The same with the pixels elsewhere (in memory shared with other processes, say), which outlives this.
  Dataset(ImageSet train_without_pixels, std::span<const std::uint8_t> pixels, const DataOptions& options,
          std::uint64_t seed);
  Dataset(Dataset&&) = default;

  int size() const { return images_.size; }
  int channels() const { return images_.channels; }
  int classes() const { return images_.classes; }
  std::int64_t train_count() const { return static_cast<std::int64_t>(train_.size()); }
  std::int64_t validation_count() const { return static_cast<std::int64_t>(validation_.size()); }
  std::uint64_t hash() const { return hash_; }
  /// Bytes of pixels that lie elsewhere; 0 when this holds them itself.
  std::size_t shared_bytes() const { return images_.pixels.empty() ? pixels_.size() : 0; }
  /// Per channel, of pixel / 255.
  const std::vector<float>& mean() const { return mean_; }
  const std::vector<float>& deviation() const { return deviation_; }

  /// Augmented training batch: images position*batch .. of epoch's own permutation (wraps around), as a pure
  /// function of (seed, stream, epoch, position). x: [batch][size][size][channels], normalised.
  void train_batch(std::uint64_t stream, std::int64_t epoch, std::int64_t position, int batch, float* x,
                   std::int32_t* labels) const;
  /// Plain training images first..first+count of a fixed permutation (BN recalibration, calibration).
  void plain_train(std::int64_t first, int count, float* x, std::int32_t* labels) const;
  void validation(std::int64_t first, int count, float* x, std::int32_t* labels) const;
  /// Normalises images of another set (the test set) the same way.
  void normalise(const ImageSet& set, std::int64_t first, int count, float* x, std::int32_t* labels) const;

 private:
  /// What is done to one image, in this order; the default does nothing.
  struct Augmentation {
    int dx = 0, dy = 0;  ///< shift in pixels; what comes in from outside is the mean
    bool flip = false;
    int erase = 0, erase_x = 0, erase_y = 0;  ///< side and corner of the square set to the mean
  };
  /// The train part in the order of one epoch.
  struct Order {
    std::uint64_t stream = 0;
    std::int64_t epoch = -1;
    std::vector<std::uint32_t> images;
  };

  void split();
  void measure();
  std::uint64_t compute_hash() const;
  const std::vector<std::uint32_t>& order(std::uint64_t stream, std::int64_t epoch) const;
  Augmentation draw_augmentation(std::uint64_t stream, std::int64_t epoch, std::uint32_t image) const;
  void plain(const std::vector<std::uint32_t>& part, std::int64_t first, int count, float* x,
             std::int32_t* labels) const;
  /// Augmented, normalised image.
  void render(const std::uint8_t* pixels, const Augmentation& augmentation, float* x) const;
  const std::uint8_t* pixels(std::uint32_t image) const {
    return pixels_.data() + image * images_.image_bytes();
  }

  ImageSet images_;
  std::span<const std::uint8_t> pixels_;  ///< of images_, or shared
  DataOptions options_;
  std::uint64_t seed_;
  std::uint64_t hash_ = 0;
  std::vector<std::uint32_t> train_, validation_;
  std::vector<float> mean_, deviation_;
  std::vector<float> normalised_;  ///< [channels][256]: what each byte becomes
  mutable Order order_;
};

}  // namespace apq::data
