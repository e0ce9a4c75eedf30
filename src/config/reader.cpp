// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "config/reader.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>

#include "apq/core/error.hpp"
#include "apq/io/files.hpp"

namespace apq::config {
namespace {

/// Why a value cannot be taken: "(why) hint".
struct Refused {
  std::string why;
};

std::string range(const Key& key) {
  if (key.min == kPositive && key.max == kUnlimited) return "above 0";
  if (key.min == kPositive) return fmt::format("above 0, at most {}", io::number(key.max));
  if (key.max == kUnlimited) return fmt::format("at least {}", io::number(key.min));
  return fmt::format("{} to {}", io::number(key.min), io::number(key.max));
}

template <class T>
std::string wanted(const Key& key) {
  return fmt::format("expected a {}, {}", std::is_integral_v<T> ? "whole number" : "number", range(key));
}

std::string number_hint(const Node& node) {
  if (node.quoted) return "remove the quotes";
  if (node.text.starts_with('+')) return "remove the +";
  if (node.text.find('_') != std::string::npos) return "remove the _";
  if (node.text.find(',') != std::string::npos)
    return "write fractions with a point and thousands without a mark";
  return "write digits only";
}

/// Leading zeros are octal to some readers of YAML and decimal to others.
bool has_leading_zero(std::string_view digits) {
  if (digits.starts_with('-')) digits.remove_prefix(1);
  return digits.size() > 1 && digits[0] == '0' && std::isdigit(static_cast<unsigned char>(digits[1]));
}

template <class T>
T parse_number(const Key& key, const Node& node) {
  const std::string& text = node.text;
  const char* end = text.data() + text.size();
  T value{};
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range)
    throw Refused{fmt::format("({}) choose a value in this range", wanted<T>(key))};
  if (node.quoted || error != std::errc() || rest != end || !std::isfinite(static_cast<double>(value)))
    throw Refused{fmt::format("({}) {}", wanted<T>(key), number_hint(node))};
  if (has_leading_zero(text)) throw Refused{"(a leading zero may mean octal) remove it"};
  if (static_cast<double>(value) < key.min || static_cast<double>(value) > key.max)
    throw Refused{fmt::format("({}) choose a value in this range", wanted<T>(key))};
  return value;
}

bool parse_flag(const Node& node) {
  if (!node.quoted && node.text == "true") return true;
  if (!node.quoted && node.text == "false") return false;
  throw Refused{"(expected true or false) write it without quotes, in lower case"};
}

std::string parse_text(const Key& key, const Node& node) {
  if (node.text.empty() && !key.may_be_empty) throw Refused{"(expected a text) it is empty"};
  for (const char c : node.text)
    if (static_cast<unsigned char>(c) < 0x20)
      throw Refused{"(control character) write one line of plain text"};
  const auto& choices = key.choices;
  if (!choices.empty() && std::find(choices.begin(), choices.end(), node.text) == choices.end())
    throw Refused{fmt::format("(not a known choice{}) one of: {}", suggestion(node.text, choices),
                              fmt::join(choices, ", "))};
  return node.text;
}

std::vector<int> parse_list(const Key& key, const Node& node) {
  std::vector<int> values;
  for (const Node& item : node.children) {
    if (item.kind != Node::Kind::scalar)
      throw Refused{fmt::format("(item {} is no number) write [1, 2, 3]", values.size() + 1)};
    try {
      values.push_back(parse_number<int>(key, item));
    } catch (const Refused& refused) {
      throw Refused{fmt::format("(item {} is {}) {}", values.size() + 1, shown(item.text),
                                refused.why.substr(refused.why.find('(')))};
    }
  }
  if (values.empty()) throw Refused{"(the list is empty) give at least one number"};
  for (std::size_t i = 1; i < values.size(); ++i)
    if (values[i] <= values[i - 1])
      throw Refused{
          fmt::format("({} follows {}) list each number once, ascending", values[i], values[i - 1])};
  return values;
}

template <class T>
void assign(T& target, const Key& key, const Node& node) {
  if constexpr (std::is_same_v<T, bool>)
    target = parse_flag(node);
  else if constexpr (std::is_arithmetic_v<T>)
    target = parse_number<T>(key, node);
  else if constexpr (std::is_same_v<T, std::vector<int>>)
    target = parse_list(key, node);
  else
    target = parse_text(key, node);
}

const char* kind_name(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::none:
      return "empty";
    case Node::Kind::scalar:
      return "a single value";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::map:
      return "a group of keys";
  }
  return "";
}

/// Levenshtein distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string suggestion(const std::string& name, const std::vector<std::string>& known) {
  constexpr std::size_t kLongestName = 64;
  std::size_t best = std::max<std::size_t>(2, name.size() / 3) + 1;
  std::string result;
  if (name.size() > kLongestName) return result;
  for (const std::string& candidate : known)
    if (const std::size_t d = distance(name, candidate); d < best && d < candidate.size()) {
      best = d;
      result = fmt::format(", did you mean {}?", candidate);
    }
  return result;
}

Reader::Reader(const Node& root, Problems& problems) : problems_(&problems) {
  levels_.push_back({root.kind == Node::Kind::map ? &root : nullptr, ""});
}

void Reader::finish() { report_unknown(levels_.front()); }

bool Reader::any_failed_under(const std::string& path) const {
  return std::any_of(failed_.begin(), failed_.end(), [&](const auto& f) { return f.starts_with(path); });
}

std::string Reader::path_of(const std::string& name) const {
  const std::string& parent = levels_.back().path;
  return parent.empty() ? name : parent + "." + name;
}

const Node* Reader::look_up(const std::string& name) {
  levels_.back().known.push_back(name);
  const Node* found = levels_.back().node ? levels_.back().node->find(name) : nullptr;
  if (found) places_[path_of(name)] = found->place;
  return found;
}

void Reader::fail(const std::string& path, const Node& node, const std::string& text) {
  problems_->add(node.place, text);
  failed_.insert(path);
}

void Reader::key(const Key& key, Value value) {
  const Node* node = look_up(key.name);
  if (!node) return;
  const std::string path = path_of(key.name);
  const bool list = std::holds_alternative<std::vector<int>*>(value);
  if (node->kind == Node::Kind::none)
    return fail(path, *node, fmt::format("{} has no value (it is empty) write one or remove the key", path));
  if (node->kind != (list ? Node::Kind::list : Node::Kind::scalar))
    return fail(
        path, *node,
        fmt::format("{} is {} (expected {}) write {}", path, kind_name(node->kind),
                    list ? "a list of numbers" : "a single value", list ? "[1, 2, 3]" : "'name: value'"));
  try {
    std::visit([&](auto* target) { assign(*target, key, *node); }, value);
  } catch (const Refused& refused) {
    const std::string what = list ? path : fmt::format("{} is {}", path, shown(node->text));
    fail(path, *node, what + " " + refused.why);
  }
}

void Reader::begin_group(const std::string& name, const std::string&) {
  const Node* node = look_up(name);
  const std::string path = path_of(name);
  if (node && node->kind != Node::Kind::map) {
    if (node->kind != Node::Kind::none)
      fail(path, *node,
           fmt::format("{} is {} (expected a group of keys) indent its keys below it", path,
                       kind_name(node->kind)));
    node = nullptr;
  }
  levels_.push_back({node, path});
}

void Reader::end_group() {
  report_unknown(levels_.back());
  levels_.pop_back();
}

std::size_t Reader::begin_list(const std::string& name, const std::string&, std::size_t size) {
  const Node* node = look_up(name);
  const std::string path = path_of(name);
  if (node && node->kind != Node::Kind::list) {
    fail(path, *node,
         fmt::format("{} is {} (expected a list of groups) write '- name: value'", path,
                     kind_name(node->kind)));
    node = nullptr;
  }
  levels_.push_back({node, path});
  return node ? node->children.size() : size;
}

void Reader::begin_item(std::size_t index) {
  const Level& list = levels_.back();
  const Node* node = list.node ? &list.node->children[index] : nullptr;
  const std::string path = fmt::format("{}[{}]", list.path, index);
  if (node) places_[path] = node->place;
  if (node && node->kind != Node::Kind::map) {
    fail(path, *node,
         fmt::format("{} is {} (expected a group of keys) write '- name: value'", path,
                     kind_name(node->kind)));
    node = nullptr;
  }
  levels_.push_back({node, path});
}

void Reader::report_unknown(const Level& level) {
  if (!level.node) return;
  for (const Node& entry : level.node->children)
    if (std::find(level.known.begin(), level.known.end(), entry.key) == level.known.end())
      problems_->add(entry.key_place,
                     fmt::format("unknown key {} (not one of {}{}) allowed: {}", shown(entry.key),
                                 level.path.empty() ? "the outermost level" : level.path,
                                 suggestion(entry.key, level.known), fmt::join(level.known, ", ")));
}

}  // namespace apq::config
