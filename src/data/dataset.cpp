// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/data/dataset.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

#include "apq/core/error.hpp"
#include "apq/core/hash.hpp"
#include "apq/core/random.hpp"
#include "apq/core/watchdog.hpp"

namespace apq::data {
namespace {

constexpr int kLevels = 256;  // values of a byte

void check_images(const ImageSet& set, std::span<const std::uint8_t> pixels) {
  APQ_ASSERT(set.count > 0 && set.size > 0 && set.channels > 0 && set.classes > 0);
  APQ_ASSERT(pixels.size() == set.image_bytes() * static_cast<std::size_t>(set.count));
  APQ_ASSERT(std::cmp_equal(set.labels.size(), set.count));
  APQ_ASSERT(std::ranges::all_of(set.labels, [&](int label) { return label >= 0 && label < set.classes; }));
}

void check_options(const DataOptions& options, const ImageSet& set) {
  const auto check = [](const char* key, std::int64_t value, std::int64_t largest, const std::string& why) {
    validate(value >= 0 && value <= largest, ErrorKind::usage,
             "data.{} is {} (allowed: 0 to {}, {}) change it", key, value, largest, why);
  };
  const std::string images = fmt::format("the training set has {} images", set.count);
  const std::string side = fmt::format("images are {} x {}", set.size, set.size);
  check("validation", options.validation, set.count - 1, images);
  check("train_limit", options.train_limit, set.count - options.validation,
        images + " less the validation part");
  check("crop", options.crop, set.size - 1, side);
  check("erase", options.erase, set.size, side);
}

using Groups = std::vector<std::vector<std::uint32_t>>;  // image numbers of each class

/// How many of `wanted` images each class gives: proportional to its size, the remainders to the largest
/// fractions, the lower class first among equals.
std::vector<std::int64_t> shares(const Groups& classes, std::int64_t wanted) {
  std::int64_t total = 0;
  for (const auto& images : classes) total += static_cast<std::int64_t>(images.size());
  std::vector<std::int64_t> share, fraction;
  for (const auto& images : classes) {
    const std::int64_t product = wanted * static_cast<std::int64_t>(images.size());
    share.push_back(product / total);
    fraction.push_back(product % total);
  }
  std::vector<std::size_t> by_fraction(classes.size());
  std::iota(by_fraction.begin(), by_fraction.end(), std::size_t{0});
  std::ranges::stable_sort(by_fraction, std::greater{}, [&](std::size_t c) { return fraction[c]; });
  const std::int64_t given = std::accumulate(share.begin(), share.end(), std::int64_t{0});
  for (std::int64_t i = 0; i < wanted - given; ++i) ++share[by_fraction[static_cast<std::size_t>(i)]];
  return share;
}

/// Moves `wanted` images out of the classes, each giving its share.
std::vector<std::uint32_t> take(Groups& classes, std::int64_t wanted) {
  const auto share = shares(classes, wanted);
  std::vector<std::uint32_t> taken;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const auto first = classes[c].end() - share[c];
    taken.insert(taken.end(), first, classes[c].end());
    classes[c].erase(first, classes[c].end());
  }
  return taken;
}

}  // namespace

Dataset::Dataset(ImageSet train, const DataOptions& options, std::uint64_t seed)
    : Dataset(std::move(train), {}, options, seed) {}

Dataset::Dataset(ImageSet train, std::span<const std::uint8_t> pixels, const DataOptions& options,
                 std::uint64_t seed)
    : images_(std::move(train)),
      pixels_(pixels.empty() ? std::span<const std::uint8_t>(images_.pixels) : pixels),
      options_(options),
      seed_(seed) {
  check_images(images_, pixels_);
  check_options(options_, images_);
  split();
  measure();
  hash_ = compute_hash();
}

void Dataset::split() {
  Groups classes(static_cast<std::size_t>(images_.classes));
  for (std::uint32_t i = 0; i < images_.labels.size(); ++i)
    classes[static_cast<std::size_t>(images_.labels[i])].push_back(i);
  for (std::size_t c = 0; c < classes.size(); ++c) RandomStream(seed_, Purpose::split, c).shuffle(classes[c]);

  validation_ = take(classes, options_.validation);
  const std::int64_t left = images_.count - options_.validation;
  train_ = take(classes, options_.train_limit > 0 ? options_.train_limit : left);

  // Mixed, so that the first images of a part are a fair sample of all classes.
  RandomStream(seed_, Purpose::split, classes.size()).shuffle(validation_);
  RandomStream(seed_, Purpose::split, classes.size() + 1).shuffle(train_);
}

// From a histogram of the train part: the sums are exact, so no order of the images can change a bit.
void Dataset::measure() {
  const auto channels = static_cast<std::size_t>(images_.channels);
  std::vector<std::array<std::int64_t, kLevels>> histogram(channels);
  for (const std::uint32_t image : train_)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t i = c; i < images_.image_bytes(); i += channels) ++histogram[c][pixels(image)[i]];

  const double values = static_cast<double>(train_.size()) * images_.size * images_.size;
  for (const auto& counts : histogram) {
    double sum = 0, squares = 0;
    for (int v = 0; v < kLevels; ++v) sum += static_cast<double>(counts[v]) * v;
    const double mean = sum / values;
    for (int v = 0; v < kLevels; ++v) squares += static_cast<double>(counts[v]) * (v - mean) * (v - mean);
    // A channel that never changes carries nothing: any scale does, 1 avoids dividing by zero.
    const double deviation = squares > 0 ? std::sqrt(squares / values) / 255 : 1;
    mean_.push_back(static_cast<float>(mean / 255));
    deviation_.push_back(static_cast<float>(deviation));
    for (int v = 0; v < kLevels; ++v) normalised_.push_back(static_cast<float>((v - mean) / 255 / deviation));
  }
}

std::uint64_t Dataset::compute_hash() const {
  const std::array<std::int64_t, 5> settings{static_cast<std::int64_t>(seed_), options_.crop, options_.flip,
                                             options_.erase, static_cast<std::int64_t>(validation_.size())};
  std::uint64_t h = hash_bytes(std::as_bytes(std::span(settings)), images_.hash(pixels_));
  h = hash_bytes(std::as_bytes(std::span(validation_)), h);
  return hash_bytes(std::as_bytes(std::span(train_)), h);
}

const std::vector<std::uint32_t>& Dataset::order(std::uint64_t stream, std::int64_t epoch) const {
  if (order_.stream != stream || order_.epoch != epoch) {
    auto images = train_;
    RandomStream(seed_, Purpose::shuffle, stream, static_cast<std::uint64_t>(epoch)).shuffle(images);
    order_ = {stream, epoch, std::move(images)};
  }
  return order_.images;
}

// Always the same draws, so that switching one augmentation does not change the others.
Dataset::Augmentation Dataset::draw_augmentation(std::uint64_t stream, std::int64_t epoch,
                                                 std::uint32_t image) const {
  RandomStream random(seed_, Purpose::augmentation, stream, static_cast<std::uint64_t>(epoch), image);
  const auto draw = [&](int n) { return static_cast<int>(random.below(static_cast<std::uint32_t>(n))); };
  Augmentation a;
  a.dx = draw(2 * options_.crop + 1) - options_.crop;
  a.dy = draw(2 * options_.crop + 1) - options_.crop;
  a.flip = draw(2) == 1 && options_.flip;
  a.erase = options_.erase;
  a.erase_x = draw(images_.size - a.erase + 1);
  a.erase_y = draw(images_.size - a.erase + 1);
  return a;
}

void Dataset::train_batch(std::uint64_t stream, std::int64_t epoch, std::int64_t position, int batch,
                          float* x, std::int32_t* labels) const {
  APQ_ASSERT(epoch >= 0 && position >= 0 && batch > 0);
  heartbeat();  // whoever asks for images gets on with training or measuring
  const auto& images = order(stream, epoch);
  const std::size_t first = static_cast<std::size_t>(position) * static_cast<std::size_t>(batch);
  for (int i = 0; i < batch; ++i) {
    const std::uint32_t image = images[(first + static_cast<std::size_t>(i)) % images.size()];
    render(pixels(image), draw_augmentation(stream, epoch, image), x + i * images_.image_bytes());
    labels[i] = images_.labels[image];
  }
}

void Dataset::plain_train(std::int64_t first, int count, float* x, std::int32_t* labels) const {
  plain(train_, first, count, x, labels);
}

void Dataset::validation(std::int64_t first, int count, float* x, std::int32_t* labels) const {
  plain(validation_, first, count, x, labels);
}

void Dataset::plain(const std::vector<std::uint32_t>& part, std::int64_t first, int count, float* x,
                    std::int32_t* labels) const {
  APQ_ASSERT(first >= 0 && count >= 0 && std::cmp_less_equal(first + count, part.size()));
  heartbeat();
  for (int i = 0; i < count; ++i) {
    const std::uint32_t image = part[static_cast<std::size_t>(first + i)];
    render(pixels(image), {}, x + i * images_.image_bytes());
    labels[i] = images_.labels[image];
  }
}

void Dataset::normalise(const ImageSet& set, std::int64_t first, int count, float* x,
                        std::int32_t* labels) const {
  validate(
      set.size == images_.size && set.channels == images_.channels && set.classes == images_.classes,
      ErrorKind::data,
      "these images do not fit the training set (expected {0} x {0} pixels, {1} channels, {2} classes, found "
      "{3} x {3}, {4}, {5}) check data.path",
      images_.size, images_.channels, images_.classes, set.size, set.channels, set.classes);
  APQ_ASSERT(first >= 0 && count >= 0 && first + count <= set.count);
  heartbeat();
  for (int i = 0; i < count; ++i) {
    const auto image = static_cast<std::size_t>(first + i);
    render(set.pixels.data() + image * set.image_bytes(), {}, x + i * set.image_bytes());
    labels[i] = set.labels[image];
  }
}

// The mean is 0 after normalisation. Output column x shows source column x + dx, counted from the right when
// flipped: the shift comes first.
void Dataset::render(const std::uint8_t* pixels, const Augmentation& a, float* x) const {
  const int size = images_.size, channels = images_.channels;
  const int begin = std::max(0, a.flip ? a.dx : -a.dx), end = size + std::min(0, a.flip ? a.dx : -a.dx);
  const int step = a.flip ? -channels : channels;
  for (int y = 0; y < size; ++y, x += size * channels) {
    const int source_y = y + a.dy;
    if (source_y < 0 || source_y >= size) {
      std::fill_n(x, size * channels, 0.0f);
      continue;
    }
    std::fill_n(x, begin * channels, 0.0f);
    std::fill(x + end * channels, x + size * channels, 0.0f);
    const int source_x = (a.flip ? size - 1 - begin : begin) + a.dx;
    const std::uint8_t* source = pixels + (source_y * size + source_x) * channels;
    for (int column = begin; column < end; ++column, source += step)
      for (int c = 0; c < channels; ++c) x[column * channels + c] = normalised_[c * kLevels + source[c]];
    if (y >= a.erase_y && y < a.erase_y + a.erase)
      std::fill_n(x + a.erase_x * channels, a.erase * channels, 0.0f);
  }
}

}  // namespace apq::data
