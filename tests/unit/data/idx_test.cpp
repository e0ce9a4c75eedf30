// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <cmath>
#include <map>

#include "unit/data/support.hpp"

namespace apq::data::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Three images of 2 x 2 pixels 1..12, labels 1, 0, 2.
Bytes images() {
  return {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
}
Bytes labels() { return {0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 2}; }

const std::string kImages = "train-images-idx3-ubyte", kLabels = "train-labels-idx1-ubyte";

class Idx : public ::testing::Test {
 protected:
  Idx() {
    folder_.write(kImages, images());
    folder_.write(kLabels, labels());
  }
  ImageSet train() const { return read_train(options_for("idx", folder_.path())); }
  std::string error() const {
    return data_error([&] { train(); });
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  std::string error_with(const std::string& name, const Bytes& bytes) const {
    folder_.write(name, bytes);
    return error();
  }

  TempFolder folder_;
};

TEST_F(Idx, PlainFilesAreReadAsWritten) {
  const ImageSet set = train();

  EXPECT_EQ(set.count, 3);
  EXPECT_EQ(set.size, 2);
  EXPECT_EQ(set.channels, 1);
  EXPECT_EQ(set.classes, 3);
  EXPECT_THAT(set.pixels, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  EXPECT_THAT(set.labels, ElementsAre(1, 0, 2));
  EXPECT_THAT(set.class_names, ElementsAre("0", "1", "2"));
}

TEST_F(Idx, CompressedFilesHoldTheSame) {
  const ImageSet plain = train();
  for (const auto& name : {kImages, kLabels}) std::filesystem::remove(path(name));
  folder_.write(kImages + ".gz", gzip(images()));
  folder_.write(kLabels + ".gz", gzip(labels()));

  const ImageSet set = train();

  EXPECT_EQ(set.pixels, plain.pixels);
  EXPECT_EQ(set.labels, plain.labels);
  EXPECT_EQ(set.hash(), plain.hash());
}

TEST_F(Idx, TheTestPartComesFromTheT10kFilesAndCountsClassesInTheTrainingLabels) {
  folder_.write("t10k-images-idx3-ubyte", {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 9, 8, 7, 6});
  folder_.write("t10k-labels-idx1-ubyte", {0, 0, 8, 1, 0, 0, 0, 1, 0});

  const ImageSet set = read_test(options_for("idx", folder_.path()));

  EXPECT_THAT(set.pixels, ElementsAre(9, 8, 7, 6));
  EXPECT_EQ(set.classes, 3);

  folder_.write("t10k-labels-idx1-ubyte", {0, 0, 8, 1, 0, 0, 0, 1, 3});
  EXPECT_THAT(data_error([&] { read_test(options_for("idx", folder_.path())); }),
              HasSubstr("label 3 of image 0 at byte 8"));
}

TEST_F(Idx, EveryTruncationOfEitherFileIsRefusedWithItsName) {
  for (const auto& [name, whole] : std::map<std::string, Bytes>{{kImages, images()}, {kLabels, labels()}}) {
    for (std::size_t length = 0; length < whole.size(); ++length) {
      const std::string text = error_with(name, cut(whole, length));
      EXPECT_THAT(text, StartsWith(path(name) + ": truncated (expected "));
      EXPECT_THAT(text, HasSubstr("found " + std::to_string(length) + ")"));
    }
    folder_.write(name, whole);
  }
}

TEST_F(Idx, EveryTruncationOfACompressedFileIsRefusedWithItsName) {
  for (const auto& [name, whole] : std::map<std::string, Bytes>{{kImages, images()}, {kLabels, labels()}}) {
    std::filesystem::remove(path(name));
    for (std::size_t length = 0; length < gzip(whole).size(); ++length)
      EXPECT_THAT(error_with(name + ".gz", cut(gzip(whole), length)),
                  StartsWith(path(name) + ".gz: truncated ("))
          << length;
    std::filesystem::remove(path(name) + ".gz");
    folder_.write(name, whole);
  }
}

TEST_F(Idx, ADamagedCompressedFileIsRefusedOrHoldsTheSamePixels) {
  std::filesystem::remove(path(kImages));
  const Bytes whole = images(), pixels(whole.begin() + 16, whole.end()), good = gzip(whole);
  int refused = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= 0x10;
    folder_.write(kImages + ".gz", bad);
    ImageSet set;
    const std::string text = data_error([&] { set = train(); });
    if (text.empty()) {
      EXPECT_EQ(set.pixels, pixels) << at;
    } else {
      EXPECT_THAT(text, StartsWith(path(kImages) + ".gz: ")) << at;
      ++refused;
    }
  }
  EXPECT_GE(refused,
            static_cast<int>(good.size()) - 10);  // only the 10 header bytes are not under the checksum
}

TEST_F(Idx, TrailingBytesAreRefusedPlainCompressedAndAfterTheStream) {
  Bytes longer = images();
  longer.push_back(0);
  EXPECT_THAT(error_with(kImages, longer),
              HasSubstr("trailing bytes (expected the end of the data at byte 28"));

  std::filesystem::remove(path(kImages));
  EXPECT_THAT(error_with(kImages + ".gz", gzip(longer)), HasSubstr("trailing bytes (expected the end"));

  Bytes stream = gzip(images());
  const std::string end = std::to_string(stream.size());
  stream.push_back(0);
  EXPECT_THAT(error_with(kImages + ".gz", stream),
              HasSubstr("trailing bytes (the gzip stream ends at byte " + end));
}

TEST_F(Idx, AWrongHeaderIsRefusedBeforeMemoryIsTaken) {
  struct Case {
    std::size_t at;
    Bytes bytes;
    const char* text;
  };
  const std::vector<Case> cases{
      {0, {0, 0, 8, 1}, "wrong magic number at byte 0 (expected 0x00000803, found 0x00000801)"},
      {0, {0x89, 'P', 'N', 'G'}, "found 0x89504e47"},
      {4, {0, 0, 0, 0}, "impossible number of items at byte 4 (expected 1 to 2147483647, found 0)"},
      {4, {0xff, 0xff, 0xff, 0xff}, "found 4294967295"},
      {4, {0x7f, 0xff, 0xff, 0xff, 0, 0, 0x40, 0, 0, 0, 0x40, 0}, "would take 576460752034988032 bytes"},
      {8, {0, 0, 0, 3}, "impossible image size at byte 8"},
      {8, {0, 0, 0, 0, 0, 0, 0, 0}, "found 0 x 0"},
      {8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "found 4294967295 x 4294967295"},
      {4, {0, 0, 0, 4}, "truncated (expected 32 bytes up to the end of 4 images of 2 x 2, found 28)"},
      {4, {0, 0, 0, 2}, "trailing bytes"},
  };
  for (const Case& c : cases) {
    Bytes bad = images();
    std::ranges::copy(c.bytes, bad.begin() + static_cast<std::ptrdiff_t>(c.at));
    const std::string text = error_with(kImages, bad);
    EXPECT_THAT(text, StartsWith(path(kImages))) << c.text;
    EXPECT_THAT(text, HasSubstr(c.text));
  }
}

TEST_F(Idx, LabelsThatDoNotFitTheImagesAreRefused) {
  EXPECT_THAT(error_with(kLabels, {0, 0, 8, 1, 0, 0, 0, 2, 1, 0}), HasSubstr("expected 3 as in"));
  const std::string text = error_with(kLabels, {0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 200});
  EXPECT_THAT(
      text, StartsWith(path(kLabels) + ": label 200 of image 2 at byte 10 is out of range (expected 0 to 1"));
}

TEST_F(Idx, AMissingFileSaysWhatWasLookedForAndWhichPackageHasIt) {
  std::filesystem::remove(path(kImages));

  const std::string text = error();

  EXPECT_THAT(text, StartsWith(path(kImages) + ": file not found"));
  EXPECT_THAT(text, HasSubstr("train-images-idx3-ubyte nor train-images-idx3-ubyte.gz"));
  EXPECT_THAT(text, HasSubstr("Debian package dataset-fashion-mnist"));
}

TEST(Readers, UnknownFormatsFoldersAndSizesAreRefused) {
  TempFolder folder;
  folder.write(kImages, images());
  folder.write(kLabels, labels());
  EXPECT_THAT(formats(), ElementsAre("idx", "cifar10", "cifar100", "folder"));
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { read_train(options_for("tfds", folder.path())); }),
              HasSubstr("unknown data format 'tfds' (there are idx, cifar10, cifar100, folder)"));
  EXPECT_THAT(data_error([&] { read_train(options_for("idx", folder.path() / "none")); }),
              HasSubstr("no such folder"));
  DataOptions options = options_for("idx", folder.path());
  options.size = 32;
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { read_train(options); }), HasSubstr("data.size is 32"));
}

// Figures of the published set: its first labels, equal classes, mean 0.2860 and deviation 0.3530.
TEST(FashionMnist, IsReadWithItsKnownFigures) {
  DataOptions options;
  options.validation = 0;
  const ImageSet test = read_test(options);
  ImageSet train = read_train(options);

  EXPECT_EQ(test.count, 10000);
  EXPECT_EQ(train.count, 60000);
  EXPECT_EQ(train.size, 28);
  EXPECT_EQ(train.classes, 10);
  EXPECT_EQ(std::vector<std::int32_t>(train.labels.begin(), train.labels.begin() + 10),
            (std::vector<std::int32_t>{9, 0, 0, 3, 0, 2, 7, 2, 5, 5}));
  EXPECT_EQ(std::vector<std::int32_t>(test.labels.begin(), test.labels.begin() + 10),
            (std::vector<std::int32_t>{9, 2, 1, 1, 6, 1, 4, 6, 5, 7}));
  for (int c = 0; c < 10; ++c) EXPECT_EQ(std::ranges::count(train.labels, c), 6000);
  const Dataset dataset(std::move(train), options, 1);
  EXPECT_NEAR(dataset.mean()[0], 0.2860, 5e-5);
  EXPECT_NEAR(dataset.deviation()[0], 0.3530, 5e-5);
}

}  // namespace
}  // namespace apq::data::test
