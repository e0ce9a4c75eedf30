// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/tree.hpp"
#include "config/visitor.hpp"

namespace apq::config {

/// Takes values from a tree over to a configuration and knows afterwards where each was written.
class Reader final : public Visitor {
 public:
  Reader(const Node& root, Problems& problems);
  void key(const Key& key, Value value) override;
  /// Reports keys of the outermost map that no visit asked for.
  void finish();

  /// Places of all keys read, by path ("space.stages[0].width").
  const std::map<std::string, Place>& places() const { return places_; }
  bool failed(const std::string& path) const { return failed_.contains(path); }
  bool any_failed_under(const std::string& path) const;

 private:
  struct Level {
    const Node* node;  ///< a map or a list, or nothing when the file does not have it
    std::string path;
    std::vector<std::string> known = {};
  };

  void begin_group(const std::string& name, const std::string& meaning) override;
  void end_group() override;
  std::size_t begin_list(const std::string& name, const std::string& meaning, std::size_t size) override;
  void end_list() override { levels_.pop_back(); }
  void begin_item(std::size_t index) override;
  void end_item() override { end_group(); }

  const Node* look_up(const std::string& name);
  std::string path_of(const std::string& name) const;
  void fail(const std::string& path, const Node& node, const std::string& text);
  void report_unknown(const Level& level);

  Problems* problems_;
  std::vector<Level> levels_;
  std::map<std::string, Place> places_;
  std::set<std::string> failed_;
};

/// " (did you mean x?)", or nothing when no known name is near.
std::string suggestion(const std::string& name, const std::vector<std::string>& known);

}  // namespace apq::config
