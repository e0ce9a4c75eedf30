// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <sstream>

#include "config/visitor.hpp"
#include "config_files.hpp"

namespace apq::config {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A configuration that a file can hold, with two items in every list.
Config example() {
  Config c;
  c.space.stages = {{}, {.width = 40, .stride = 1}};
  c.budgets = {{{"latency_ms", 1}, {{"size_kib", 60}, {"activation_kib", 32}}}, {{"params", 1e6}, {}}};
  return c;
}

/// Calls an action for each key, in order.
class ForEach final : public Visitor {
 public:
  explicit ForEach(std::function<void(const Key&, Value)> action) : action_(std::move(action)) {}
  void key(const Key& key, Value value) override { action_(key, value); }

 private:
  void begin_group(const std::string&, const std::string&) override {}
  void end_group() override {}
  std::size_t begin_list(const std::string&, const std::string&, std::size_t size) override { return size; }
  void end_list() override {}
  void begin_item(std::size_t) override {}
  void end_item() override {}

  std::function<void(const Key&, Value)> action_;
};

/// A different value that is still allowed.
void change(const Key&, bool& value) { value = !value; }
template <class T>
requires std::is_arithmetic_v<T>
void change(const Key& key, T& value) {
  if constexpr (std::is_floating_point_v<T>) {
    value = value * 1.01 + (value == 0 ? 0.01 : 0);  // a value with a long fraction
    if (value > key.max) value = static_cast<T>(key.max * 0.99);
  } else {
    value = static_cast<double>(value) < key.max ? value + 1 : value - 1;
  }
}
void change(const Key& key, std::string& value) {
  if (key.choices.empty())
    value = key.name == "device" ? "bitfusion" : value + "-2";
  else
    value = value == key.choices[0] ? key.choices.at(1) : key.choices[0];
}
void change(const Key&, std::filesystem::path& value) { value = "a \"b\" \\ ü # : {"; }
void change(const Key& key, std::vector<int>& value) {
  value = key.name == "kernels" ? std::vector{3, 5} : std::vector{2, 3};
}

std::vector<int> list_of_keys(Config& config) {
  std::vector<int> keys;
  ForEach visitor([&](const Key&, Value) { keys.push_back(static_cast<int>(keys.size())); });
  describe(visitor, config);
  return keys;
}

/// The configuration with key number `which` changed.
Config changed(Config config, int which, Key* what = nullptr) {
  int n = 0;
  ForEach visitor([&](const Key& key, Value value) {
    if (n++ != which) return;
    std::visit([&](auto* target) { change(key, *target); }, value);
    if (what) *what = key;
  });
  describe(visitor, config);
  return config;
}

class RoundTrip : public ConfigFiles {};

TEST_F(RoundTrip, EveryKeySurvivesDumpAndLoad) {
  Config base = example();
  const std::string before = dump(base);
  int reloaded = 0;
  for (const int which : list_of_keys(base)) {
    Key key;
    const Config config = changed(base, which, &key);
    const std::string text = dump(config);
    EXPECT_TRUE(text != before || key.name == "device") << key.name << " is not in the dump";
    // Some single changes break a relation between keys; loading then says so and nothing else.
    const std::string error = error_of(write("key.yaml", text));
    if (!error.empty()) {
      EXPECT_THAT(error, Not(HasSubstr("unknown key"))) << key.name;
      EXPECT_THAT(error, Not(HasSubstr("expected"))) << key.name;
      continue;
    }
    ++reloaded;
    EXPECT_EQ(dump(load(folder_ / "key.yaml")), text) << key.name;
  }
  EXPECT_GT(reloaded, 90);
}

TEST_F(RoundTrip, TheDumpHoldsWhatTheStructsHold) {
  Config c = example();
  c.supernet.learning_rate = 0.123456789012345678;
  c.pairs.qat.steps = 77;
  c.search.islands.topology = "torus";
  c.space.stages[1].depths = {1, 4};
  c.data.flip = false;
  c.seed = 18446744073709551615u;
  const Config d = load(write("some.yaml", dump(c)));
  EXPECT_EQ(d.supernet.learning_rate, c.supernet.learning_rate);
  EXPECT_EQ(d.pairs.qat.steps, 77);
  EXPECT_EQ(d.finetune.qat.steps, Config{}.finetune.qat.steps);
  EXPECT_EQ(d.search.islands.topology, "torus");
  EXPECT_EQ(d.space.stages[1].depths, c.space.stages[1].depths);
  EXPECT_FALSE(d.data.flip);
  EXPECT_EQ(d.seed, c.seed);
  EXPECT_EQ(d.name, "run");
}

TEST_F(RoundTrip, AwkwardTextsAreQuoted) {
  for (const char* text :
       {"null", "~", "true", "12", "a b", "a: b", "#x", "\"", "\\", "'", "[x]", "-", " x", "x ", "ü", "*a"}) {
    Config c = example();
    c.data.path = text;
    EXPECT_EQ(load(write("t.yaml", dump(c))).data.path, text);
    EXPECT_EQ(load(write("t.yaml", dump(c, false))).data.path, text);
  }
}

TEST(Dump, ExplainsEveryKeyOnItsLine) {
  std::istringstream lines(dump(example()));
  for (std::string line; std::getline(lines, line);) EXPECT_THAT(line, HasSubstr("  # "));
  EXPECT_THAT(dump(example()), HasSubstr("# pixels: side of an image"));
  EXPECT_THAT(dump(example(), false), Not(HasSubstr("#")));
}

TEST(Dump, NamesNoKeyTwiceInOneGroup) {
  std::istringstream lines(dump(example(), false));
  std::vector<std::set<std::string>> open(1);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t start = line.find_first_not_of(" -");
    open.resize(start / 2 + 1);
    if (line.find('-') < start) open.back().clear();
    EXPECT_TRUE(open.back().insert(line.substr(start, line.find(':') - start)).second) << line;
  }
}

TEST(Hash, ChangesWithEveryKey) {
  Config base = example();
  std::set<std::string> hashes{hash(base)};
  std::size_t keys = 0;
  for (const int which : list_of_keys(base)) {
    Key key;
    const Config config = changed(base, which, &key);
    if (key.name == "device") continue;
    ++keys;
    hashes.insert(hash(config));
  }
  EXPECT_EQ(hashes.size(), keys + 1);
  EXPECT_EQ(hash(base), hash(example()));
  EXPECT_THAT(hash(base), testing::MatchesRegex("[0-9a-f]{16}"));
}

TEST(Fingerprint, LeavesOutOnlyWhatCannotChangeResults) {
  Config base = example();
  std::vector<std::string> without;
  for (const int which : list_of_keys(base)) {
    Key key;
    const Config config = changed(base, which, &key);
    if (key.name != "device" && fingerprint(config) == fingerprint(base)) without.push_back(key.name);
  }
  EXPECT_THAT(without,
              testing::ElementsAre("name", "threads", "checkpoint_seconds", "watchdog_seconds", "mixed_nodes",
                                   "table"));  // the content of a table counts, not its place
  EXPECT_THAT(fingerprint(base), HasSubstr("\nspace.stages[1].width=40\n"));
  EXPECT_THAT(fingerprint(base), HasSubstr("\nsearch.evolution.mutation_rate=0.1\n"));
  EXPECT_THAT(fingerprint(base), HasSubstr("\nbudgets[1].metric=params\n"));
}

}  // namespace
}  // namespace apq::config
