// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/data/dataset.hpp"

#include <cmath>
#include <map>
#include <set>

#include "unit/data/support.hpp"

namespace apq::data::test {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

/// Image i is filled with patterns that tell its number and every pixel apart; label i % classes.
ImageSet make_set(int count, int size, int channels, int classes) {
  ImageSet set{count, size, channels, classes, {}, {}, {}};
  for (int i = 0; i < count; ++i) {
    set.labels.push_back(i % classes);
    for (std::size_t p = 0; p < set.image_bytes(); ++p)
      set.pixels.push_back(
          static_cast<std::uint8_t>(p == 0 ? i : 31 * static_cast<std::size_t>(i) + 7 * p + p * p));
  }
  return set;
}

DataOptions plain_options(std::int64_t validation) {
  DataOptions options;
  options.validation = validation;
  options.crop = 0;
  options.flip = false;
  return options;
}

struct Batch {
  std::vector<float> x;
  std::vector<std::int32_t> labels;
  bool operator==(const Batch&) const = default;
};

class Reader {
 public:
  explicit Reader(const Dataset& dataset) : dataset_(dataset) {}
  Batch train(std::uint64_t stream, std::int64_t epoch, std::int64_t position, int count) const {
    return get(count, [&](float* x, std::int32_t* y) {
      dataset_.train_batch(stream, epoch, position, count, x, y);
    });
  }
  Batch plain(std::int64_t first, int count) const {
    return get(count, [&](float* x, std::int32_t* y) { dataset_.plain_train(first, count, x, y); });
  }
  Batch validation(std::int64_t first, int count) const {
    return get(count, [&](float* x, std::int32_t* y) { dataset_.validation(first, count, x, y); });
  }
  Batch normalised(const ImageSet& set, int count) const {
    return get(count, [&](float* x, std::int32_t* y) { dataset_.normalise(set, 0, count, x, y); });
  }
  std::size_t image() const {
    return static_cast<std::size_t>(dataset_.size()) *
           static_cast<std::size_t>(dataset_.size() * dataset_.channels());
  }

 private:
  template <class Fill>
  Batch get(int count, Fill fill) const {
    Batch batch{std::vector<float>(static_cast<std::size_t>(count) * image(), NAN),
                std::vector<std::int32_t>(static_cast<std::size_t>(count), -1)};
    fill(batch.x.data(), batch.labels.data());
    return batch;
  }
  const Dataset& dataset_;
};

/// Image numbers of a batch of make_set images: pixel 0, without its normalisation.
std::vector<int> numbers(const Dataset& dataset, const Batch& batch) {
  std::vector<int> result;
  const std::size_t stride = Reader(dataset).image();
  for (std::size_t i = 0; i < batch.labels.size(); ++i)
    result.push_back(static_cast<int>(
        std::lround((batch.x[i * stride] * dataset.deviation()[0] + dataset.mean()[0]) * 255)));
  return result;
}

TEST(Dataset, TheSplitIsDisjointCompleteAndStratified) {
  const Dataset dataset(make_set(200, 2, 1, 4), plain_options(50), 7);
  const Reader reader(dataset);
  const Batch train = reader.plain(0, 150), validation = reader.validation(0, 50);

  const auto a = numbers(dataset, train), b = numbers(dataset, validation);
  std::set<int> all(a.begin(), a.end());
  all.insert(b.begin(), b.end());
  EXPECT_EQ(all.size(), 200u);
  for (int label = 0; label < 4; ++label) {  // 12.5 each: 13 for the first two classes
    EXPECT_EQ(std::ranges::count(validation.labels, label), label < 2 ? 13 : 12);
    EXPECT_EQ(std::ranges::count(train.labels, label), label < 2 ? 37 : 38);
  }
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(train.labels[i], a[i] % 4);
}

TEST(Dataset, AnotherSeedGivesAnotherSplitAndTheSameSeedTheSame) {
  const auto chosen = [](std::uint64_t seed) {
    const Dataset dataset(make_set(200, 2, 1, 4), plain_options(50), seed);
    return numbers(dataset, Reader(dataset).validation(0, 50));
  };
  EXPECT_EQ(chosen(7), chosen(7));
  EXPECT_NE(chosen(7), chosen(8));
}

TEST(Dataset, ATrainLimitKeepsAStratifiedPartAndTheSameValidation) {
  DataOptions options = plain_options(50);
  const Dataset whole(make_set(200, 2, 1, 4), options, 7);
  options.train_limit = 40;
  const Dataset limited(make_set(200, 2, 1, 4), options, 7);

  EXPECT_EQ(limited.train_count(), 40);
  EXPECT_EQ(numbers(limited, Reader(limited).validation(0, 50)),
            numbers(whole, Reader(whole).validation(0, 50)));
  const Batch train = Reader(limited).plain(0, 40);
  for (int label = 0; label < 4; ++label) EXPECT_EQ(std::ranges::count(train.labels, label), 10);
}

TEST(Dataset, NormalisationIsMeasuredOnTheTrainPartOfEachChannel) {
  const ImageSet set = make_set(100, 3, 3, 2);
  const Dataset dataset(set, plain_options(30), 3);
  std::vector<std::vector<double>> values(3);
  for (const int image : numbers(dataset, Reader(dataset).plain(0, 70)))
    for (std::size_t p = 0; p < 27; ++p)
      values[p % 3].push_back(set.pixels[static_cast<std::size_t>(image) * 27 + p] / 255.0);

  for (std::size_t c = 0; c < 3; ++c) {
    double mean = 0, variance = 0;
    for (const double v : values[c]) mean += v / static_cast<double>(values[c].size());
    for (const double v : values[c])
      variance += (v - mean) * (v - mean) / static_cast<double>(values[c].size());
    EXPECT_NEAR(dataset.mean()[c], mean, 1e-6);
    EXPECT_NEAR(dataset.deviation()[c], std::sqrt(variance), 1e-6);
  }
}

TEST(Dataset, OtherSetsAreNormalisedTheSameWay) {
  const Dataset dataset(make_set(100, 3, 3, 2), plain_options(30), 3);
  const ImageSet other = make_set(5, 3, 3, 2);

  const Batch batch = Reader(dataset).normalised(other, 5);

  EXPECT_EQ(batch.labels, other.labels);
  for (std::size_t i = 0; i < batch.x.size(); ++i)
    EXPECT_NEAR(batch.x[i], (other.pixels[i] / 255.0 - dataset.mean()[i % 3]) / dataset.deviation()[i % 3],
                1e-5);
  EXPECT_THAT(data_error([&] { Reader(dataset).normalised(make_set(5, 4, 3, 2), 5); }),
              HasSubstr("expected 3 x 3 pixels, 3 channels, 2 classes, found 4 x 4, 3, 2"));
}

TEST(Dataset, AChannelThatNeverChangesBecomesZero) {
  ImageSet set = make_set(10, 2, 1, 2);
  std::ranges::fill(set.pixels, 77);
  const Dataset dataset(set, plain_options(2), 1);
  EXPECT_THAT(Reader(dataset).plain(0, 8).x, Each(0.0f));
}

TEST(Dataset, AnEpochVisitsEveryTrainImageOnceAndWrapsAround) {
  const Dataset dataset(make_set(100, 2, 1, 4), plain_options(20), 5);
  const Reader reader(dataset);
  std::vector<int> seen;
  for (int position = 0; position < 10; ++position)
    for (const int image : numbers(dataset, reader.train(1, 0, position, 8))) seen.push_back(image);

  EXPECT_EQ(std::set<int>(seen.begin(), seen.end()).size(), 80u);
  EXPECT_EQ(reader.train(1, 0, 10, 8), reader.train(1, 0, 0, 8));
  const auto twice = numbers(dataset, reader.train(1, 0, 0, 160));
  EXPECT_TRUE(std::equal(twice.begin(), twice.begin() + 80, twice.begin() + 80));
}

TEST(Dataset, ABatchIsAPureFunctionOfSeedStreamEpochAndPosition) {
  DataOptions options = plain_options(20);
  options.crop = 1;
  options.flip = true;
  options.erase = 1;
  const Dataset one(make_set(100, 4, 1, 4), options, 5), two(make_set(100, 4, 1, 4), options, 5);
  const Batch first = Reader(one).train(3, 2, 4, 8);

  Reader(two).train(9, 9, 0, 8);  // another history
  Reader(two).train(3, 1, 4, 8);
  EXPECT_EQ(Reader(two).train(3, 2, 4, 8), first);
  EXPECT_NE(Reader(one).train(4, 2, 4, 8), first);
  EXPECT_NE(Reader(one).train(3, 3, 4, 8), first);
  EXPECT_NE(Reader(one).train(3, 2, 5, 8), first);
  const Dataset seeded(make_set(100, 4, 1, 4), options, 6);
  EXPECT_NE(Reader(seeded).train(3, 2, 4, 8), first);
}

/// Plain reference: shift with zeros, then flip, then erase.
std::vector<float> reference(const std::vector<float>& image, int size, int channels, int dx, int dy,
                             bool flip) {
  std::vector<float> out(image.size());
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x)
      for (int c = 0; c < channels; ++c) {
        const int sx = (flip ? size - 1 - x : x) + dx, sy = y + dy;
        const bool inside = sx >= 0 && sx < size && sy >= 0 && sy < size;
        out[static_cast<std::size_t>((y * size + x) * channels + c)] =
            inside ? image[static_cast<std::size_t>((sy * size + sx) * channels + c)] : 0;
      }
  return out;
}

// One image, many epochs: every result must be one of the 2 * 5 * 5 allowed, and all of them equally often.
TEST(Dataset, CropAndFlipGiveEveryShiftedMirrorImageEquallyOften) {
  constexpr int kSize = 5, kChannels = 3, kDraws = 5000;
  ImageSet set = make_set(2, kSize, kChannels, 2);
  DataOptions options = plain_options(0);
  options.train_limit = 1;
  options.crop = 2;
  options.flip = true;
  const Dataset dataset(set, options, 11);
  const Reader reader(dataset);
  const std::vector<float> plain = reader.plain(0, 1).x;
  std::map<std::vector<float>, int> counts;
  for (int dx = -2; dx <= 2; ++dx)
    for (int dy = -2; dy <= 2; ++dy)
      for (const bool flip : {false, true}) counts[reference(plain, kSize, kChannels, dx, dy, flip)] = 0;
  ASSERT_EQ(counts.size(), 50u);

  for (int epoch = 0; epoch < kDraws; ++epoch) {
    const auto found = counts.find(reader.train(0, epoch, 0, 1).x);
    ASSERT_NE(found, counts.end());
    ++found->second;
  }
  double chi_square = 0;
  for (const auto& [image, count] : counts)
    chi_square += std::pow(count - kDraws / 50.0, 2) / (kDraws / 50.0);
  EXPECT_LT(chi_square, 94.0);  // 49 degrees of freedom, 1 in 10^4
}

TEST(Dataset, EraseSetsOneSquareInsideTheImageToTheMean) {
  constexpr int kSize = 6, kErase = 2;
  DataOptions options = plain_options(0);
  options.train_limit = 1;
  options.erase = kErase;
  const Dataset dataset(make_set(2, kSize, 1, 2), options, 11);
  const Reader reader(dataset);
  const std::vector<float> plain = reader.plain(0, 1).x;
  std::map<std::vector<float>, int> counts;
  for (int top = 0; top <= kSize - kErase; ++top)
    for (int left = 0; left <= kSize - kErase; ++left) {
      std::vector<float> image = plain;
      for (int y = top; y < top + kErase; ++y)
        for (int x = left; x < left + kErase; ++x) image[static_cast<std::size_t>(y * kSize + x)] = 0;
      counts[image] = 0;
    }

  for (int epoch = 0; epoch < 1000; ++epoch) {
    const auto found = counts.find(reader.train(0, epoch, 0, 1).x);
    ASSERT_NE(found, counts.end());
    ++found->second;
  }
  for (const auto& [image, count] : counts) EXPECT_GT(count, 10);  // 40 expected
}

TEST(Dataset, SwitchingOneAugmentationOffLeavesTheOthersAlone) {
  DataOptions options = plain_options(0);
  options.flip = true;
  const Dataset flipped(make_set(50, 4, 1, 2), options, 2);
  options.erase = 4;
  const Dataset erased(make_set(50, 4, 1, 2), options, 2);
  EXPECT_EQ(Reader(flipped).train(0, 0, 0, 50).labels, Reader(erased).train(0, 0, 0, 50).labels);
  EXPECT_THAT(Reader(erased).train(0, 0, 0, 50).x, Each(0.0f));
}

TEST(Dataset, TheHashTellsPixelsLabelsSplitAndOptionsApart) {
  const auto hash = [](const ImageSet& set, const DataOptions& options, std::uint64_t seed) {
    return Dataset(set, options, seed).hash();
  };
  const ImageSet set = make_set(60, 4, 1, 2);
  const DataOptions options = plain_options(10);
  ImageSet pixel = set, label = set;
  pixel.pixels[100] ^= 1;
  std::swap(label.labels[4], label.labels[5]);
  DataOptions validation = options, limit = options, crop = options, flip = options, erase = options,
              moved = options;
  validation.validation = 11;
  limit.train_limit = 20;
  crop.crop = 1;
  flip.flip = true;
  erase.erase = 1;
  moved.path = "/elsewhere";

  const std::set<std::uint64_t> all{
      hash(set, options, 1),   hash(set, options, 2),    hash(pixel, options, 1),
      hash(label, options, 1), hash(set, validation, 1), hash(set, limit, 1),
      hash(set, crop, 1),      hash(set, flip, 1),       hash(set, erase, 1)};
  EXPECT_EQ(all.size(), 9u);
  EXPECT_EQ(hash(set, options, 1), hash(set, moved, 1));
}

TEST(Dataset, OptionsThatDoNotFitTheImagesAreRefusedByName) {
  const auto error = [](auto change) {
    DataOptions options = plain_options(10);
    change(options);
    return error_of(ErrorKind::usage, [&] { Dataset(make_set(60, 4, 1, 2), options, 1); });
  };
  EXPECT_EQ(error([](DataOptions&) {}), "");
  EXPECT_THAT(error([](DataOptions& o) { o.validation = 60; }),
              HasSubstr("data.validation is 60 (allowed: 0 to 59"));
  EXPECT_THAT(error([](DataOptions& o) { o.validation = -1; }), HasSubstr("data.validation is -1"));
  EXPECT_THAT(error([](DataOptions& o) { o.train_limit = 51; }),
              HasSubstr("data.train_limit is 51 (allowed: 0 to 50"));
  EXPECT_THAT(error([](DataOptions& o) { o.crop = 4; }), HasSubstr("data.crop is 4 (allowed: 0 to 3"));
  EXPECT_THAT(error([](DataOptions& o) { o.erase = 5; }), HasSubstr("data.erase is 5 (allowed: 0 to 4"));
}

}  // namespace
}  // namespace apq::data::test
