// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <cstdlib>
#include <span>

#include "data/picture.hpp"
#include "unit/data/images.hpp"

namespace apq::data::test {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::StartsWith;

class Folder : public ::testing::Test {
 protected:
  ImageSet train(int size = 0) const { return read(read_train, size); }
  ImageSet test(int size = 0) const { return read(read_test, size); }
  std::string error(int size = 0) const {
    return data_error([&] { train(size); });
  }
  std::string error_with(const std::string& name, const Bytes& bytes) const {
    folder_.write(name, bytes);
    return error();
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  TempFolder folder_;

 private:
  ImageSet read(ImageSet (*reader)(const DataOptions&), int size) const {
    DataOptions options = options_for("folder", folder_.path());
    options.size = size;
    return reader(options);
  }
};

TEST_F(Folder, ClassesAndFilesAreNumberedInTheOrderOfTheirNames) {
  folder_.write("train/zebra/b.png", gray_png(1, 1, {4}));
  folder_.write("train/zebra/B.png", gray_png(1, 1, {2}));
  folder_.write("train/zebra/a.png", gray_png(1, 1, {3}));
  folder_.write("train/ant/10.png", gray_png(1, 1, {1}));
  folder_.write("train/ant/.hidden", {1, 2, 3});
  folder_.write("test/ant/1.png", gray_png(1, 1, {7}));
  folder_.write("test/zebra/1.png", gray_png(1, 1, {8}));

  const ImageSet set = train();

  EXPECT_THAT(set.class_names, ElementsAre("ant", "zebra"));
  EXPECT_THAT(set.labels, ElementsAre(0, 1, 1, 1));
  EXPECT_THAT(set.pixels, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(set.channels, 1);
  EXPECT_THAT(test().pixels, ElementsAre(7, 8));
}

TEST_F(Folder, EveryKindOfPngBecomesEightBitsWithoutAlpha) {
  const auto pixels = [&](const Bytes& png) {
    folder_.write("train/a/1.png", png);
    return train().pixels;
  };
  EXPECT_THAT(pixels(rgb_png(1, 1, {1, 2, 3})), ElementsAre(1, 2, 3));
  EXPECT_THAT(pixels(encode_png(1, 1, PNG_COLOR_TYPE_RGBA, 8, {1, 2, 3, 0})), ElementsAre(1, 2, 3));
  EXPECT_THAT(pixels(encode_png(1, 1, PNG_COLOR_TYPE_GA, 8, {9, 5})), ElementsAre(9));
  EXPECT_THAT(pixels(encode_png(1, 1, PNG_COLOR_TYPE_GRAY, 16, {0x80, 0x80})), ElementsAre(0x80));
  EXPECT_THAT(pixels(encode_png(1, 1, PNG_COLOR_TYPE_RGB, 16, {255, 255, 1, 1, 0, 0})),
              ElementsAre(255, 1, 0));
  // 2 x 2 of 1 bit, high bit first; 2 bits are spread over 0..255 in steps of 85.
  EXPECT_THAT(pixels(encode_png(2, 2, PNG_COLOR_TYPE_GRAY, 1, {0x80, 0x40})), ElementsAre(255, 0, 0, 255));
  EXPECT_THAT(pixels(encode_png(2, 2, PNG_COLOR_TYPE_GRAY, 2, {0x10, 0xb0})), ElementsAre(0, 85, 170, 255));
  EXPECT_THAT(pixels(encode_png(1, 1, PNG_COLOR_TYPE_PALETTE, 8, {1}, {{1, 2, 3}, {4, 5, 6}}, {0, 7})),
              ElementsAre(4, 5, 6));
}

TEST_F(Folder, GrayImagesBecomeThreeChannelsWhenAnyImageOfEitherPartHasColour) {
  folder_.write("train/a/1.png", gray_png(1, 1, {50}));
  folder_.write("train/a/2.png", rgb_png(1, 1, {1, 2, 3}));
  EXPECT_THAT(train().pixels, ElementsAre(50, 50, 50, 1, 2, 3));

  std::filesystem::remove(path("train/a/2.png"));
  folder_.write("test/a/1.png", rgb_png(1, 1, {7, 8, 9}));
  EXPECT_THAT(train().pixels, ElementsAre(50, 50, 50));
  EXPECT_THAT(test().pixels, ElementsAre(7, 8, 9));
}

TEST_F(Folder, ImagesOfAnotherSizeAreRefusedByNameUnlessASizeIsGiven) {
  folder_.write("train/a/1.png", gray_png(2, 2, {8, 8, 8, 8}));
  folder_.write("train/a/2.png", gray_png(1, 1, {9}));
  EXPECT_THAT(error(),
              StartsWith(path("train/a/2.png") + ": image of another size (expected 2 x 2, found 1 x 1)"));
  EXPECT_THAT(error(), HasSubstr("set data.size"));
  EXPECT_THAT(train(1).pixels, ElementsAre(8, 9));

  std::filesystem::remove(path("train/a/2.png"));
  folder_.write("train/a/1.png", gray_png(3, 1, {1, 2, 3}));
  EXPECT_THAT(error(), HasSubstr("expected 3 x 3, found 3 x 1"));
}

TEST_F(Folder, ShrinkingAveragesTheAreaOfTheCentreSquare) {
  // 4 x 2: the outer columns are cut off, the middle square is averaged.
  folder_.write("train/a/1.png", gray_png(4, 2, {99, 1, 2, 99, 99, 3, 5, 99}));
  EXPECT_THAT(train(1).pixels, ElementsAre(3));  // 11 / 4 = 2.75
  // 3 x 3 to 2 x 2: corner weights 4, edges 2, centre 1, of 9.
  folder_.write("train/a/1.png", gray_png(3, 3, {90, 0, 0, 0, 180, 0, 0, 0, 9}));
  EXPECT_THAT(train(2).pixels, ElementsAre(60, 20, 20, 24));
}

TEST_F(Folder, GrowingIsBilinearWithTheBorderRepeated) {
  folder_.write("train/a/1.png", gray_png(2, 2, {0, 0, 200, 200}));
  EXPECT_THAT(train(4).pixels,
              ElementsAre(0, 0, 0, 0, 50, 50, 50, 50, 150, 150, 150, 150, 200, 200, 200, 200));
  folder_.write("train/a/1.png", rgb_png(1, 1, {1, 2, 3}));
  EXPECT_THAT(train(2).pixels, ElementsAre(1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3));
}

TEST_F(Folder, JpegsAreDecodedInGrayAndColour) {
  const auto near = [](int value) { return AllOf(Ge(value - 2), Le(value + 2)); };
  folder_.write("train/a/1.jpg", encode_jpeg(8, 8, JCS_GRAYSCALE, Bytes(64, 77)));
  EXPECT_EQ(train().channels, 1);
  EXPECT_THAT(train().pixels, Each(near(77)));

  Bytes colour;
  for (int i = 0; i < 64; ++i) colour.insert(colour.end(), {200, 100, 50});
  for (const Scans scans : {Scans::baseline, Scans::progressive}) {
    folder_.write("train/a/1.jpg", encode_jpeg(8, 8, JCS_RGB, colour, scans));
    const ImageSet set = train();
    ASSERT_EQ(set.channels, 3);
    for (std::size_t i = 0; i < set.pixels.size(); ++i) ASSERT_THAT(set.pixels[i], near(colour[i]));
  }
}

Bytes noise(std::size_t count) {
  Bytes bytes;
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < count; ++i) bytes.push_back((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

std::string decoding_error(Picture (*decode)(const std::string&, std::span<const std::uint8_t>),
                           const Bytes& bytes) {
  return data_error([&] { decode("name", bytes); });
}

TEST(Picture, EveryTruncationIsRefusedWithTheFilesName) {
  for (const Bytes& jpeg : {encode_jpeg(16, 16, JCS_GRAYSCALE, noise(256)),
                            encode_jpeg(8, 8, JCS_RGB, noise(192), Scans::progressive)}) {
    EXPECT_EQ(decoding_error(decode_jpeg, jpeg), "");
    for (std::size_t length = 0; length < jpeg.size(); ++length)
      ASSERT_THAT(decoding_error(decode_jpeg, cut(jpeg, length)), StartsWith("name: damaged JPEG near byte "))
          << length << " of " << jpeg.size();
  }
  const Bytes png = rgb_png(8, 8, noise(192));
  EXPECT_EQ(decoding_error(decode_png, png), "");
  for (std::size_t length = 0; length < png.size(); ++length)
    ASSERT_THAT(decoding_error(decode_png, cut(png, length)), StartsWith("name: damaged PNG near byte "))
        << length << " of " << png.size();
}

TEST(Picture, AnyDamageToAPngIsRefusedAndToAJpegNeverCrashes) {
  const Bytes png = gray_png(8, 8, noise(64)),
              jpeg = encode_jpeg(8, 8, JCS_RGB, noise(192), Scans::progressive);
  for (std::size_t at = 0; at < png.size(); ++at)
    for (const std::uint8_t flip : {0x01, 0x55, 0xff}) {
      Bytes bad = png;
      bad[at] ^= flip;
      ASSERT_THAT(decoding_error(decode_png, bad), StartsWith("name: ")) << at;
    }
  for (std::size_t at = 0; at < jpeg.size(); ++at)
    for (const std::uint8_t flip : {0x01, 0x55, 0xff}) {
      Bytes bad = jpeg;
      bad[at] ^= flip;
      const std::string text = decoding_error(decode_jpeg, bad);
      ASSERT_TRUE(text.empty() || text.starts_with("name: ")) << at << ": " << text;
    }
}

TEST_F(Folder, WrongKindsOfFilesAreRefusedByName) {
  EXPECT_THAT(error_with("train/a/1.jpg", {}), HasSubstr("1.jpg: impossible size of an image file"));
  EXPECT_THAT(error_with("train/a/1.jpg", {'G', 'I', 'F', '8'}), HasSubstr("1.jpg: neither JPEG nor PNG"));
  EXPECT_THAT(error_with("train/a/1.jpg", {0xff}), HasSubstr("1.jpg: neither JPEG nor PNG"));
  EXPECT_THAT(error_with("train/a/1.jpg", encode_jpeg(8, 8, JCS_CMYK, Bytes(256, 9))),
              HasSubstr("found CMYK"));
  std::filesystem::remove(path("train/a/1.jpg"));
  std::filesystem::create_directory(path("train/a/inner"));
  EXPECT_THAT(error(), HasSubstr("inner: not a file"));
}

TEST_F(Folder, HugeImagesAreRefusedByTheirHeader) {
  Bytes jpeg = encode_jpeg(8, 8, JCS_GRAYSCALE, Bytes(64, 1));
  const Bytes frame{0xff, 0xc0, 0, 11, 8};  // start of frame; height and width follow
  const auto at = std::ranges::search(jpeg, frame).end();
  ASSERT_NE(at, jpeg.end());
  std::ranges::copy(Bytes{0x4e, 0x20, 0x4e, 0x20}, at);
  EXPECT_THAT(error_with("train/a/1.jpg", jpeg), HasSubstr("image of 20000 x 20000 pixels refused"));
  std::ranges::copy(Bytes{0x30, 0, 0x30, 0}, at);
  EXPECT_THAT(error_with("train/a/1.jpg", jpeg), HasSubstr("image of 12288 x 12288 pixels refused"));
  std::ranges::copy(Bytes{0, 0, 0, 8}, at);
  EXPECT_THAT(error_with("train/a/1.jpg", jpeg), HasSubstr("1.jpg: damaged JPEG near byte"));

  const Bytes wide = gray_png(8193, 4097, Bytes(8193 * 4097));
  EXPECT_THAT(error_with("train/a/1.jpg", wide), HasSubstr("image of 8193 x 4097 pixels refused"));
}

TEST_F(Folder, AJpegOfTooManyScansIsRefused) {
  EXPECT_THAT(error_with("train/a/1.jpg", encode_jpeg(64, 64, JCS_GRAYSCALE, noise(4096), Scans::too_many)),
              HasSubstr("more than 100 scans"));
}

TEST_F(Folder, DamagedImagesAreLeftOutAndNamedWhenSoManyAreAllowed) {
  const Bytes good = gray_png(8, 8, noise(64));
  for (const char* name : {"train/a/1.png", "train/a/3.png", "train/b/1.png"}) folder_.write(name, good);
  folder_.write("train/a/2.png", cut(good, good.size() / 2));  // its pixels end early
  folder_.write("train/b/2.jpg", Bytes{'G', 'I', 'F', '8'});   // not even a header
  const auto read = [&](std::int64_t allowed) {
    DataOptions options = options_for("folder", folder_.path());
    options.skip_bad = allowed;
    return read_train(options);
  };
  EXPECT_THAT(data_error([&] { read(0); }), HasSubstr("2.jpg: neither JPEG nor PNG"));
  testing::internal::CaptureStderr();
  EXPECT_THAT(data_error([&] { read(1); }), HasSubstr("more damaged images than data.skip_bad = 1"));
  testing::internal::GetCapturedStderr();
  testing::internal::CaptureStderr();
  const ImageSet set = read(2);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("left out: " + path("train/b/2.jpg")));
  EXPECT_THAT(log, HasSubstr("left out: " + path("train/a/2.png")));
  EXPECT_EQ(set.count, 3);
  EXPECT_EQ(set.labels, (std::vector<std::int32_t>{0, 0, 1}));
  EXPECT_EQ(set.pixels.size(), 3u * 64);
}

TEST_F(Folder, PartsThatAreMissingEmptyOrDifferentAreRefused) {
  EXPECT_THAT(error(), HasSubstr("train: no such folder"));
  std::filesystem::create_directories(path("train"));
  EXPECT_THAT(error(), HasSubstr("no class folders"));
  std::filesystem::create_directories(path("train/a"));
  EXPECT_THAT(error(), HasSubstr("train/a: no images"));
  folder_.write("train/a/1.png", gray_png(1, 1, {1}));
  EXPECT_EQ(error(), "");
  EXPECT_THAT(data_error([&] { test(); }), HasSubstr("test: no such folder"));
  folder_.write("test/b/1.png", gray_png(1, 1, {1}));
  EXPECT_THAT(error(), HasSubstr("test: other classes than in train (expected a, found b)"));
  folder_.write("train/list.txt", {1});
  EXPECT_THAT(error(), HasSubstr("list.txt: not a folder"));
}

std::filesystem::path shared_data() {
  const char* folder = std::getenv("APQ_SHARED_DATA");
  return folder ? std::filesystem::path(folder) : std::filesystem::path(APQ_SOURCE_DIR) / "../shared/data";
}

// 100 images of CIFAR-10; the whole set's mean is (0.491, 0.482, 0.447), its deviation (0.247, 0.243, 0.262).
TEST_F(Folder, RealPhotographsHaveTheFiguresOfTheirSet) {
  const auto archive = shared_data() / "cifar10-jpeg.tar.xz";
  ASSERT_TRUE(std::filesystem::exists(archive))
      << archive << " is missing; set APQ_SHARED_DATA to its folder";
  const std::string command = "tar -xJf '" + archive.string() + "' -C '" + folder_.path().string() +
                              "' --wildcards 'train/*/000?.jpg' 'test/*/0000.jpg'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;

  ImageSet set = train();
  const ImageSet test_set = test();

  EXPECT_EQ(set.count, 100);
  EXPECT_EQ(test_set.count, 10);
  EXPECT_EQ(set.size, 32);
  EXPECT_EQ(set.channels, 3);
  EXPECT_THAT(set.class_names, ElementsAre("airplane", "automobile", "bird", "cat", "deer", "dog", "frog",
                                           "horse", "ship", "truck"));
  DataOptions options;
  options.validation = 0;
  const Dataset dataset(std::move(set), options, 1);
  const double mean[] = {0.491, 0.482, 0.447}, deviation[] = {0.247, 0.243, 0.262};
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(dataset.mean()[c], mean[c], 0.05);
    EXPECT_NEAR(dataset.deviation()[c], deviation[c], 0.03);
  }
}

}  // namespace
}  // namespace apq::data::test
