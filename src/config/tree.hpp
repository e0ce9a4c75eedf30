// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace apq::config {

inline constexpr std::size_t kMaxBytes = std::size_t{1} << 20;  ///< of one configuration file
inline constexpr int kMaxDepth = 32;                            ///< of nested lists and maps
inline constexpr std::size_t kMaxValues = 5000;                 ///< of one configuration file

/// Where a value was written: a file with line and column, or a --set option (line 0).
struct Place {
  std::shared_ptr<const std::string> source;
  int line = 0;
  int column = 0;
  /// "file:line:column", or the option's text.
  std::string text() const;
};

/// A list of everything that is wrong, reported at once.
class Problems {
 public:
  /// `text` reads "problem (why) hint".
  void add(const Place& place, const std::string& text);
  bool empty() const { return lines_.empty(); }
  /// Error(usage) with all problems, one a line; nothing when there are none.
  void raise(const std::string& what) const;

 private:
  std::vector<std::string> lines_;
};

/// What a configuration is made of. A key of a map is a node's `key`.
struct Node {
  enum class Kind { none, scalar, list, map };
  Kind kind = Kind::none;
  Place place;
  std::string text;  ///< of a scalar
  bool quoted = false;
  std::string key;  ///< of an entry of a map
  Place key_place;
  std::vector<Node> children;

  const Node* find(std::string_view name) const;
};

/// Reads one YAML document of plain lists, maps and scalars. Aliases, anchors, tags, duplicate keys, several
/// documents, too many or too deeply nested values and bytes that are no UTF-8 text are problems. Nothing is
/// returned when reading had to stop.
std::optional<Node> parse_yaml(const std::string& text, const Place& origin, Problems& problems);

/// Entries of `over` replace or extend those of `base`; maps are merged, everything else is replaced.
void merge(Node& base, Node over);

/// In quotes, cut to a readable length, control characters replaced.
std::string shown(std::string_view text);

}  // namespace apq::config
