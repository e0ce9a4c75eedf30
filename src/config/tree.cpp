// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "config/tree.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "apq/core/error.hpp"

namespace apq::config {

std::string Place::text() const {
  return line > 0 ? fmt::format("{}:{}:{}", *source, line, column) : *source;
}

void Problems::add(const Place& place, const std::string& text) {
  lines_.push_back(fmt::format("{}: {}", place.text(), text));
}

void Problems::raise(const std::string& what) const {
  constexpr std::size_t kListed = 100;
  if (lines_.empty()) return;
  if (lines_.size() == 1) throw Error(ErrorKind::usage, lines_.front());
  std::string text = fmt::format("{} has {} errors", what, lines_.size());
  for (std::size_t i = 0; i < std::min(lines_.size(), kListed); ++i) text += "\n  " + lines_[i];
  if (lines_.size() > kListed) text += fmt::format("\n  and {} more", lines_.size() - kListed);
  throw Error(ErrorKind::usage, text);
}

const Node* Node::find(std::string_view name) const {
  const auto found =
      std::find_if(children.begin(), children.end(), [&](const Node& n) { return n.key == name; });
  return found == children.end() ? nullptr : &*found;
}

std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::size_t length = text.size();
  if (length > kLongest) {
    length = kLongest;
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
      --length;  // whole characters
  }
  std::string result = "'";
  for (const char c : text.substr(0, length))
    result += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  return result + (length < text.size() ? "...'" : "'");
}

namespace {

/// Length of the UTF-8 character at the start of `text`, 0 when it is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool surrogate_or_beyond = (first == 0xED && byte(1) > 0x9F) || (first == 0xF4 && byte(1) > 0x8F);
  return overlong || surrogate_or_beyond ? 0 : length;
}

/// The first character that no configuration needs. yaml-cpp takes byte 4 for the end of the file and guesses
/// UTF-16 from NUL bytes, so these are looked for before.
std::optional<std::size_t> first_bad_character(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool control = (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F;
    if (length == 0 || control) return i;
    i += length;
  }
  return std::nullopt;
}

/// Ends parsing after a problem that leaves nothing to go on with.
struct GiveUp {};

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const Place& origin, Problems& problems) : origin_(origin), problems_(&problems) {}
  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { scalar(mark, "?", anchor, {}, true); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    scalar(mark, tag, anchor, value, false);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    problems_->add(place(mark), "alias (a reference to an anchor is not allowed) write the value out");
    throw GiveUp();
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::list);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::map);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Node node;
    bool has_key = false;
    std::string key;
    Place key_place;
  };

  Place place(const YAML::Mark& mark) const {
    return origin_.line > 0 ? Place{origin_.source, mark.line + 1, mark.column + 1} : origin_;
  }

  bool expects_key() const {
    return !levels_.empty() && levels_.back().node.kind == Node::Kind::map && !levels_.back().has_key;
  }

  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor)
      problems_->add(place(mark), "anchor (a name for a value, with &, is not allowed) remove it");
    // yaml-cpp says "?" for plain and "!" for quoted text without a tag.
    if (!tag.empty() && tag != "?" && tag != "!")
      problems_->add(place(mark), fmt::format("tag {} (types follow from the keys) remove it", shown(tag)));
    if (++values_ > kMaxValues) {
      problems_->add(place(mark),
                     fmt::format("too many values (more than {}) this is no configuration", kMaxValues));
      throw GiveUp();
    }
  }

  void scalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text,
              bool null) {
    check(mark, tag, anchor);
    if (expects_key()) {
      key(mark, text);
    } else {
      Node node;
      node.kind = null ? Node::Kind::none : Node::Kind::scalar;
      node.place = place(mark);
      node.text = text;
      node.quoted = tag == "!";
      add(std::move(node));
    }
  }

  void key(const YAML::Mark& mark, const std::string& text) {
    Level& level = levels_.back();
    level.has_key = true;
    level.key = text;
    level.key_place = place(mark);
    if (const Node* first = level.node.find(text))
      problems_->add(place(mark), fmt::format("duplicate key {} (first at {}) remove one", shown(text),
                                              first->key_place.text()));
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
    check(mark, tag, anchor);
    if (expects_key()) {
      problems_->add(place(mark),
                     "a list or map as key (keys are names) write 'name: value' and close all brackets");
      throw GiveUp();
    }
    if (levels_.size() >= kMaxDepth) {
      problems_->add(
          place(mark),
          fmt::format("nested too deeply (more than {} levels) this is no configuration", kMaxDepth));
      throw GiveUp();
    }
    Level level;
    level.node.kind = kind;
    level.node.place = place(mark);
    levels_.push_back(std::move(level));
  }

  void close() {
    Node node = std::move(levels_.back().node);
    levels_.pop_back();
    add(std::move(node));
  }

  void add(Node node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    node.key = std::move(level.key);
    node.key_place = level.key_place;
    level.has_key = false;
    if (level.node.kind == Node::Kind::list || !level.node.find(node.key))
      level.node.children.push_back(std::move(node));
  }

  Place origin_;
  Problems* problems_;
  std::vector<Level> levels_;
  std::size_t values_ = 0;
  Node root_;
};

Place position(std::string_view text, std::size_t at, const Place& origin) {
  if (origin.line == 0) return origin;
  const std::string_view before = text.substr(0, at);
  const auto line = std::count(before.begin(), before.end(), '\n');
  const std::size_t start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return {origin.source, static_cast<int>(line) + 1, static_cast<int>(at - start) + 1};
}

/// The scanner of yaml-cpp looks ahead to the end of a line of opening brackets, so it must not see too many.
std::optional<std::size_t> first_of_many_brackets(std::string_view text) {
  constexpr int kMost = 1000;
  int open = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[' || text[i] == '{') ++open;
    if ((text[i] == ']' || text[i] == '}') && open > 0) --open;
    if (open > kMost) return i;
  }
  return std::nullopt;
}

bool indents_with_tab(std::string_view text) {
  bool leading = true;
  for (const char c : text) {
    if (leading && c == '\t') return true;
    leading = c == '\n' || (leading && c == ' ');
  }
  return false;
}

}  // namespace

std::optional<Node> parse_yaml(const std::string& text, const Place& origin, Problems& problems) {
  if (text.size() > kMaxBytes) {
    problems.add({origin.source, 0, 0},
                 fmt::format("too large (more than {} bytes) this is no configuration", kMaxBytes));
    return std::nullopt;
  }
  if (const auto at = first_bad_character(text)) {
    problems.add(
        position(text, *at, origin),
        fmt::format("byte 0x{:02x} (not UTF-8 text, or a control character) save the file as UTF-8 text",
                    static_cast<unsigned char>(text[*at])));
    return std::nullopt;
  }
  if (const auto at = first_of_many_brackets(text)) {
    problems.add(position(text, *at, origin),
                 "nested too deeply (too many open brackets) this is no configuration");
    return std::nullopt;
  }
  TreeBuilder builder(origin, problems);
  // The end mark makes yaml-cpp notice a quote that is never closed.
  std::istringstream stream(text + "\n...\n");
  try {
    YAML::Parser parser(stream);
    TreeBuilder others(origin, problems);
    parser.HandleNextDocument(builder);
    if (parser && parser.HandleNextDocument(others))
      problems.add({origin.source, 0, 0}, "several documents (separated by ---) keep one");
    return builder.take();
  } catch (const GiveUp&) {
  } catch (const YAML::Exception& e) {
    Place where = origin;
    if (origin.line > 0 && !e.mark.is_null()) where = {origin.source, e.mark.line + 1, e.mark.column + 1};
    problems.add(where, fmt::format("cannot be read as YAML ({}) {}", e.msg,
                                    indents_with_tab(text) ? "indent with blanks"
                                                           : "check indentation, quotes and brackets"));
  }
  return std::nullopt;
}

void merge(Node& base, Node over) {
  // A group that is named and left empty changes nothing.
  if (base.kind == Node::Kind::map && over.kind == Node::Kind::none) return;
  if (base.kind != Node::Kind::map || over.kind != Node::Kind::map) {
    base = std::move(over);
    return;
  }
  for (Node& entry : over.children) {
    const auto same = std::find_if(base.children.begin(), base.children.end(),
                                   [&](const Node& n) { return n.key == entry.key; });
    if (same == base.children.end())
      base.children.push_back(std::move(entry));
    else
      merge(*same, std::move(entry));
  }
}

}  // namespace apq::config
