// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "unit/data/support.hpp"

namespace apq::data::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::size_t kPixels = 32 * 32, kRecord = 1 + 3 * kPixels;

std::uint8_t value(int image, std::size_t channel, std::size_t pixel) {
  return static_cast<std::uint8_t>(17 * image + 85 * channel + 3 * pixel);
}

void append_image(Bytes& file, int image, const Bytes& labels) {
  file.insert(file.end(), labels.begin(), labels.end());
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t p = 0; p < kPixels; ++p) file.push_back(value(image, c, p));
}

// Files 1..5 hold one image each but the first, which holds three.
class Cifar10 : public ::testing::Test {
 protected:
  Cifar10() {
    for (int image = 0; image < 3; ++image) append_image(first_, image, {static_cast<std::uint8_t>(image)});
    folder_.write("data_batch_1.bin", first_);
    for (int file = 2; file <= 5; ++file) {
      Bytes bytes;
      append_image(bytes, file + 1, {static_cast<std::uint8_t>(file + 1)});
      folder_.write("data_batch_" + std::to_string(file) + ".bin", bytes);
    }
  }
  ImageSet train() const { return read_train(options_for("cifar10", folder_.path())); }
  std::string error_with(const Bytes& first) const {
    folder_.write("data_batch_1.bin", first);
    return data_error([&] { train(); });
  }

  TempFolder folder_;
  Bytes first_;
};

TEST_F(Cifar10, PlanesBecomeChannelsLastInTheOrderOfTheFiles) {
  const ImageSet set = train();

  EXPECT_EQ(set.count, 7);
  EXPECT_EQ(set.size, 32);
  EXPECT_EQ(set.channels, 3);
  EXPECT_EQ(set.classes, 10);
  EXPECT_THAT(set.labels, ElementsAre(0, 1, 2, 3, 4, 5, 6));
  ASSERT_EQ(set.pixels.size(), 7 * 3 * kPixels);
  for (int image = 0; image < 7; ++image)
    for (std::size_t p = 0; p < kPixels; ++p)
      for (std::size_t c = 0; c < 3; ++c)
        ASSERT_EQ(set.pixels[(static_cast<std::size_t>(image) * kPixels + p) * 3 + c], value(image, c, p));
}

TEST_F(Cifar10, ClassNamesAreTakenFromTheirFile) {
  std::string names;
  for (int c = 0; c < 10; ++c) names += "class" + std::to_string(c) + "\r\n";
  folder_.write("batches.meta.txt", Bytes(names.begin(), names.end()));
  EXPECT_EQ(train().class_names[9], "class9");

  folder_.write("batches.meta.txt", {'c', 'a', 't', '\n'});
  EXPECT_THAT(data_error([&] { train(); }), HasSubstr("expected 10 lines, found 1"));
}

TEST_F(Cifar10, EveryTruncationInsideARecordIsRefusedAndAWholeRecordLessIsFewerImages) {
  for (std::size_t length = 0; length < first_.size(); length += length % kRecord < 40 ? 1 : 41) {
    const std::string text = error_with(cut(first_, length));
    if (length % kRecord == 0 && length > 0) {
      EXPECT_EQ(text, "") << length;
    } else {
      EXPECT_THAT(text, StartsWith((folder_.path() / "data_batch_1.bin: ").string())) << length;
      EXPECT_THAT(text, HasSubstr(length == 0 ? "the file is empty" : "found " + std::to_string(length)));
    }
  }
}

TEST_F(Cifar10, MoreThanTheTenThousandImagesOfAFileAreTrailingBytes) {
  Bytes many;
  for (int i = 0; i < 10000; ++i) many.insert(many.end(), first_.begin(), first_.begin() + kRecord);
  EXPECT_EQ(error_with(many), "");
  many.push_back(0);
  EXPECT_THAT(error_with(many), HasSubstr("trailing bytes (expected the end of the data at byte 30730000"));
}

TEST_F(Cifar10, ALabelOutOfRangeIsNamedWithImageAndByte) {
  first_[kRecord] = 10;
  EXPECT_THAT(error_with(first_),
              HasSubstr("label 10 of image 1 at byte 3073 is out of range (expected 0 to 9)"));
}

TEST_F(Cifar10, AMissingFileIsNamed) {
  std::filesystem::remove(folder_.path() / "data_batch_4.bin");
  EXPECT_THAT(data_error([&] { train(); }), HasSubstr("neither data_batch_4.bin nor data_batch_4.bin.gz"));
  EXPECT_THAT(data_error([&] { read_test(options_for("cifar10", folder_.path())); }),
              HasSubstr("test_batch.bin"));
}

TEST(Cifar100, TheFineLabelIsUsedAndBothAreChecked) {
  TempFolder folder;
  Bytes file;
  append_image(file, 0, {19, 99});
  append_image(file, 1, {3, 42});
  folder.write("train.bin", file);
  folder.write("test.bin", file);
  const DataOptions options = options_for("cifar100", folder.path());

  EXPECT_THAT(read_train(options).labels, ElementsAre(99, 42));
  EXPECT_EQ(read_test(options).classes, 100);

  file[1] = 100;
  folder.write("train.bin", file);
  EXPECT_THAT(data_error([&] { read_train(options); }), HasSubstr("label 100 of image 0 at byte 1"));
  file[1] = 99;
  file[0] = 20;
  folder.write("train.bin", file);
  EXPECT_THAT(data_error([&] { read_train(options); }), HasSubstr("label 20 of image 0 at byte 0"));
}

}  // namespace
}  // namespace apq::data::test
