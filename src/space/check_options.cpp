// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "space/check_options.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "apq/core/error.hpp"

namespace apq::space {
namespace {

// Bounds keep every product of sizes inside 64 bits, every gene in its byte, every count in a double.
constexpr int kMaxSize = 4096;
constexpr int kMaxWidth = 8192;
constexpr int kMaxStride = 8;
constexpr int kMaxDepth = 32;
constexpr int kMaxKernel = 7;

void check_range(const std::string& key, int value, int low, int high) {
  validate(low <= value && value <= high, ErrorKind::usage,
           "space.{} = {} is impossible (outside {} to {}) choose a value inside", key, value, low, high);
}

void check_choices(const std::string& key, const std::vector<int>& values, int low, int high) {
  validate(!values.empty(), ErrorKind::usage, "space.{} is empty (a gene needs a choice) give at least one",
           key);
  for (int value : values) check_range(key, value, low, high);
  const bool ascending =
      std::adjacent_find(values.begin(), values.end(), std::greater_equal<>()) == values.end();
  validate(ascending, ErrorKind::usage, "space.{} = [{}] is not ascending (each value once) sort it", key,
           fmt::join(values, ", "));
}

void check_stage(const std::string& key, const StageOptions& stage) {
  check_range(key + ".width", stage.width, 1, kMaxWidth);
  check_range(key + ".stride", stage.stride, 1, kMaxStride);
  check_choices(key + ".depths", stage.depths, 1, kMaxDepth);
  check_choices(key + ".kernels", stage.kernels, 3, kMaxKernel);
  for (int kernel : stage.kernels)
    validate(kernel % 2 == 1, ErrorKind::usage,
             "space.{}.kernels holds {} (even kernels have no centre) use odd values", key, kernel);
  validate(stage.min_expand > 0 && stage.min_expand <= stage.max_expand && stage.max_expand <= 16,
           ErrorKind::usage,
           "space.{}.min_expand = {} and max_expand = {} fit no width (need 0 < min <= max <= 16)", key,
           stage.min_expand, stage.max_expand);
}

}  // namespace

void check_options(const SpaceOptions& options) {
  check_range("input_size", options.input_size, 1, kMaxSize);
  check_range("input_channels", options.input_channels, 1, kMaxSize);
  check_range("classes", options.classes, 1, 1 << 20);
  check_range("stem_width", options.stem_width, 1, kMaxWidth);
  check_range("stem_stride", options.stem_stride, 1, kMaxStride);
  check_range("first_width", options.first_width, 0, kMaxWidth);
  check_range("head_width", options.head_width, 1, kMaxWidth);
  check_choices("bits", options.bits, 2, 8);
  validate(!options.stages.empty(), ErrorKind::usage,
           "space.stages is empty (nothing to search) give at least one stage");
  for (std::size_t s = 0; s < options.stages.size(); ++s)
    check_stage(fmt::format("stages[{}]", s), options.stages[s]);
}

}  // namespace apq::space
