// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "apq/config/config.hpp"
#include "apq/core/error.hpp"

namespace apq::config {

/// The least a configuration must say, in four lines.
inline constexpr const char* kLeast =
    "budgets:\n"
    "  - {metric: latency_ms, limit: 1.5}\n"
    "space:\n"
    "  stages: [{depths: [1, 2]}]\n";

/// A folder of configuration files that goes away with the test.
class ConfigFiles : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              ("apq-config-" + std::to_string(getpid()) + "-" + std::to_string(test->line()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    const auto path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  /// The text of the Error(usage) that loading ends in; empty when it does not.
  static std::string error_of(const std::filesystem::path& file,
                              const std::vector<std::string>& overrides = {}) {
    try {
      load(file, overrides);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::usage);
      return e.what();
    }
    return {};
  }

  std::filesystem::path folder_;
};

}  // namespace apq::config
