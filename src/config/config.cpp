// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/config/config.hpp"

#include <algorithm>

#include "apq/core/error.hpp"
#include "apq/io/files.hpp"
#include "config/checks.hpp"
#include "config/reader.hpp"
#include "config/tree.hpp"

namespace apq::config {
namespace {

namespace fs = std::filesystem;

Place start_of(const std::string& source) { return {std::make_shared<const std::string>(source), 1, 1}; }
Place whole(const std::string& source) { return {std::make_shared<const std::string>(source), 0, 0}; }

/// Reads a file and the files it extends, the outermost base first.
class Loader {
 public:
  explicit Loader(Problems& problems) : problems_(&problems) {}

  /// `asked` is where the file was asked for. Nothing when any of the files cannot be read.
  std::optional<Node> load(const fs::path& file, const Place& asked) {
    const auto text = read(file, asked);
    if (!text) return std::nullopt;
    auto tree = parse_yaml(*text, start_of(file.string()), *problems_);
    if (!tree) return std::nullopt;
    if (tree->kind != Node::Kind::map && tree->kind != Node::Kind::none) {
      problems_->add(tree->place, "no key at all (expected keys with values) write 'name: value'");
      return std::nullopt;
    }
    const auto extends = take_extends(*tree);
    if (!extends) return tree;
    auto base = load_base(file.parent_path() / extends->text, *extends);
    if (!base) return std::nullopt;
    std::erase_if(base->children, [](const Node& n) { return n.key == "name"; });  // the base's own
    merge(*base, std::move(*tree));
    return base;
  }

 private:
  static constexpr std::size_t kMostFiles = 5;

  std::optional<std::string> read(const fs::path& file, const Place& asked) {
    std::error_code error;
    const auto status = fs::status(file, error);
    const std::string shown_name = shown(file.string());
    if (!fs::exists(status)) {
      problems_->add(asked, fmt::format("cannot read {} (no such file) check the path", shown_name));
    } else if (!fs::is_regular_file(status)) {
      problems_->add(asked, fmt::format("cannot read {} (not a regular file) give a YAML file", shown_name));
    } else if (fs::file_size(file, error) > kMaxBytes) {
      problems_->add(asked, fmt::format("cannot read {} (larger than {} bytes) this is no configuration",
                                        shown_name, kMaxBytes));
    } else {
      try {
        return io::read_text(file, kMaxBytes);
      } catch (const Error& e) {
        problems_->add(asked, e.what());
      }
    }
    return std::nullopt;
  }

  std::optional<Node> take_extends(Node& tree) {
    const auto found = std::find_if(tree.children.begin(), tree.children.end(), [&](const Node& n) {
      return tree.kind == Node::Kind::map && n.key == "extends";
    });
    if (found == tree.children.end()) return std::nullopt;
    Node extends = std::move(*found);
    tree.children.erase(found);
    return extends;
  }

  std::optional<Node> load_base(const fs::path& base, const Node& extends) {
    if (extends.kind != Node::Kind::scalar || extends.text.empty()) {
      problems_->add(
          extends.place,
          "extends is no text (expected the name of another YAML file) write 'extends: base.yaml'");
      return std::nullopt;
    }
    std::error_code error;
    const fs::path real = fs::weakly_canonical(base, error);
    if (std::find(files_.begin(), files_.end(), real) != files_.end()) {
      problems_->add(
          extends.place,
          fmt::format("extends {} (that file extends this one) remove one of the two", shown(extends.text)));
      return std::nullopt;
    }
    files_.push_back(real);
    if (files_.size() > kMostFiles - 1) {
      problems_->add(extends.place, fmt::format("extends {} (more than {} files in a row) merge some",
                                                shown(extends.text), kMostFiles - 1));
      return std::nullopt;
    }
    return load(base, extends.place);
  }

  Problems* problems_;
  std::vector<fs::path> files_;
};

/// "key.path=value" as a tree of one value.
std::optional<Node> parse_override(const std::string& option, Problems& problems) {
  constexpr std::size_t kMostNames = 8;
  const Place place = whole("--set " + shown(option));
  const std::size_t equals = option.find('=');
  std::vector<std::string> names{""};
  for (const char c : option.substr(0, equals)) {
    if (c == '.')
      names.emplace_back();
    else
      names.back() += c;
    if (names.size() > kMostNames) break;
  }
  if (equals == std::string::npos || names.size() > kMostNames ||
      std::any_of(names.begin(), names.end(), [](const auto& n) { return n.empty(); })) {
    problems.add(place, "cannot be understood (expected key.path=value) e.g. --set search.generations=20");
    return std::nullopt;
  }
  auto node = parse_yaml(option.substr(equals + 1), place, problems);
  if (!node) return std::nullopt;
  node->place = place;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    Node parent;
    parent.kind = Node::Kind::map;
    parent.place = place;
    node->key = *name;
    node->key_place = place;
    parent.children.push_back(std::move(*node));
    node = std::move(parent);
  }
  return node;
}

/// File, bases and options in one tree; raises when any of them cannot be read.
Node read_all(const fs::path& file, const std::vector<std::string>& overrides, Problems& problems) {
  std::optional<Node> tree = Loader(problems).load(file, whole(file.string()));
  bool complete = tree.has_value();
  Node result = complete ? std::move(*tree) : Node{};
  if (result.kind == Node::Kind::none) result.kind = Node::Kind::map;  // an empty file
  for (const std::string& option : overrides) {
    if (auto over = parse_override(option, problems))
      merge(result, std::move(*over));
    else
      complete = false;
  }
  if (!complete) problems.raise("configuration " + file.string());
  return result;
}

}  // namespace

Config load(const fs::path& file, const std::vector<std::string>& overrides) {
  Problems problems;
  const Node tree = read_all(file, overrides, problems);
  Config config;
  config.name = file.stem().string();
  Reader reader(tree, problems);
  describe(reader, config);
  reader.finish();
  check(config, reader, whole(file.string()), problems);
  problems.raise("configuration " + file.string());
  return config;
}

}  // namespace apq::config
