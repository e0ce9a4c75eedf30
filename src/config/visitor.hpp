// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "apq/config/config.hpp"

namespace apq::config {

inline constexpr double kUnlimited = std::numeric_limits<double>::infinity();
/// As a minimum: any number above 0.
inline constexpr double kPositive = std::numeric_limits<double>::min();

/// What is declared of one key besides its value.
struct Key {
  std::string name;
  std::string meaning;
  std::string unit = {};
  double min = -kUnlimited;  ///< of a number, or of each number of a list
  double max = kUnlimited;
  std::vector<std::string> choices = {};  ///< of a text; empty: any
  bool changes_results = true;            ///< belongs into the fingerprint
  bool may_be_empty = false;              ///< of a text
};

/// The place of a key's value. A list of numbers is ascending and not empty.
using Value = std::variant<bool*, int*, std::int64_t*, std::uint64_t*, double*, std::string*,
                           std::filesystem::path*, std::vector<int>*>;

/// Walks over all keys in their order.
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void key(const Key& key, Value value) = 0;

  template <class Body>
  void group(const std::string& name, const std::string& meaning, Body body) {
    begin_group(name, meaning);
    body();
    end_group();
  }
  /// A list of maps; `describe_item(item)` visits the keys of one.
  template <class T, class Body>
  void list(const std::string& name, const std::string& meaning, std::vector<T>& items, Body describe_item) {
    items.resize(begin_list(name, meaning, items.size()));
    for (std::size_t i = 0; i < items.size(); ++i) {
      begin_item(i);
      describe_item(items[i]);
      end_item();
    }
    end_list();
  }

 private:
  virtual void begin_group(const std::string& name, const std::string& meaning) = 0;
  virtual void end_group() = 0;
  /// Returns the number of items there shall be.
  virtual std::size_t begin_list(const std::string& name, const std::string& meaning, std::size_t size) = 0;
  virtual void end_list() = 0;
  virtual void begin_item(std::size_t index) = 0;
  virtual void end_item() = 0;
};

/// The one declaration of every key: loading, dumping, hash and fingerprint follow from it.
void describe(Visitor& visitor, Config& config);

}  // namespace apq::config
