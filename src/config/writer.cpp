// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <fmt/ranges.h>

#include <cctype>

#include "apq/core/hash.hpp"
#include "apq/io/files.hpp"
#include "config/visitor.hpp"

namespace apq::config {
namespace {

/// Plain where nothing can be misread, in double quotes elsewhere.
std::string written(const std::string& text) {
  bool plain = !text.empty() && (std::isalnum(static_cast<unsigned char>(text[0])) || text[0] == '/');
  for (const char c : text)
    plain = plain &&
            (std::isalnum(static_cast<unsigned char>(c)) || c == '/' || c == '.' || c == '_' || c == '-');
  if (plain && text != "null" && text != "Null" && text != "NULL") return text;
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      result += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    else
      result += c;
  }
  return result + '"';
}
std::string written(const std::filesystem::path& path) { return written(path.string()); }
std::string written(bool value) { return value ? "true" : "false"; }
std::string written(double value) { return io::number(value); }
std::string written(const std::vector<int>& values) { return fmt::format("[{}]", fmt::join(values, ", ")); }
template <class T>
std::string written(T value) {
  return fmt::format("{}", value);
}

std::string written(const Value& value) {
  return std::visit([](const auto* target) { return written(*target); }, value);
}

class YamlWriter final : public Visitor {
 public:
  explicit YamlWriter(bool with_comments) : with_comments_(with_comments) {}
  const std::string& text() const { return text_; }

  void key(const Key& key, Value value) override {
    const std::string comment = key.unit.empty() ? key.meaning : key.unit + ": " + key.meaning;
    const std::string choices =
        key.choices.empty() ? "" : fmt::format(" (one of {})", fmt::join(key.choices, ", "));
    line(fmt::format("{}: {}", key.name, written(value)), comment + choices);
  }

 private:
  void begin_group(const std::string& name, const std::string& meaning) override {
    line(name + ":", meaning);
    ++depth_;
  }
  void end_group() override { --depth_; }
  std::size_t begin_list(const std::string& name, const std::string& meaning, std::size_t size) override {
    line(name + (size == 0 ? ": []" : ":"), meaning);
    ++depth_;
    return size;
  }
  void end_list() override { --depth_; }
  void begin_item(std::size_t) override {
    ++depth_;
    item_starts_ = true;
  }
  void end_item() override { --depth_; }

  void line(const std::string& content, const std::string& comment) {
    constexpr std::size_t kCommentColumn = 40;
    std::string line(static_cast<std::size_t>(2 * depth_), ' ');
    if (item_starts_) line[line.size() - 2] = '-';
    item_starts_ = false;
    line += content;
    if (with_comments_) {
      line.resize(std::max(line.size() + 2, kCommentColumn), ' ');
      line += "# " + comment;
    }
    text_ += line + "\n";
  }

  bool with_comments_;
  int depth_ = 0;
  bool item_starts_ = false;
  std::string text_;
};

class FingerprintWriter final : public Visitor {
 public:
  const std::string& text() const { return text_; }

  void key(const Key& key, Value value) override {
    if (key.changes_results)
      text_ += fmt::format("{}{}={}\n", fmt::join(path_, ""), key.name, written(value));
  }

 private:
  void begin_group(const std::string& name, const std::string&) override { path_.push_back(name + "."); }
  void end_group() override { path_.pop_back(); }
  std::size_t begin_list(const std::string& name, const std::string&, std::size_t size) override {
    path_.push_back(name);
    return size;
  }
  void end_list() override { path_.pop_back(); }
  void begin_item(std::size_t index) override { path_.push_back(fmt::format("[{}].", index)); }
  void end_item() override { path_.pop_back(); }

  std::vector<std::string> path_;
  std::string text_;
};

}  // namespace

std::string dump(const Config& config, bool with_comments) {
  Config copy = config;
  YamlWriter writer(with_comments);
  describe(writer, copy);
  return writer.text();
}

std::string hash(const Config& config) { return hex(hash_text(dump(config, false))); }

std::string fingerprint(const Config& config) {
  Config copy = config;
  FingerprintWriter writer;
  describe(writer, copy);
  return writer.text();
}

}  // namespace apq::config
