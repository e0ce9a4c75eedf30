// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "apq/core/error.hpp"

namespace apq::io {

namespace fs = std::filesystem;

/// A test with an empty folder of its own, removed afterwards.
class Scratch : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              fmt::format("apq_{}_{}_{}", test->test_suite_name(), test->name(), getpid());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string content(const fs::path& path) const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const fs::path& path, const std::string& text) const {
    std::ofstream(path, std::ios::binary) << text;
  }

  fs::path folder_;
};

/// The kind and the text of the Error that `action` throws; "nothing" when there is none.
struct Caught {
  ErrorKind kind = ErrorKind::internal;
  std::string text = "nothing";
};
template <class Action>
Caught caught(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  return {};
}

}  // namespace apq::io
