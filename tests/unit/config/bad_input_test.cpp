// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>

#include "apq/core/process.hpp"
#include "config_files.hpp"

namespace apq::config {
namespace {

/// Seconds this process has computed: others that share the machine do not count.
struct CpuTimer {
  std::clock_t start = std::clock();
  double seconds() const { return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC; }
};

using testing::HasSubstr;

struct Case {
  const char* name;
  std::string text;                ///< appended to the least configuration, line 5 on
  std::vector<std::string> parts;  ///< all of them are in the error
};

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

const std::vector<Case> kCases = {
    // Syntax and structure
    {"Tab", "data:\n\tflip: true\n", {":6:", "cannot be read as YAML", "blanks"}},
    {"OpenBracket", "seed: [1, 2\n", {"bad.yaml:7:1", "cannot be read as YAML", "brackets"}},
    {"OpenQuote", "name: \"abc\n", {"bad.yaml:", "cannot be read as YAML"}},
    {"ColonInPlainText", "name: a: b\n", {"bad.yaml:5:", "cannot be read as YAML"}},
    {"BadIndentation", "data:\n   flip: true\n  crop: 1\n", {"bad.yaml:", "cannot be read as YAML"}},
    {"SeveralDocuments", "---\nseed: 1\n", {"bad.yaml", "several documents"}},
    {"BadEscape", "name: \"\\q\"\n", {"bad.yaml:5:", "cannot be read as YAML"}},
    {"Anchor", "seed: &s 5\n", {"bad.yaml:5:", "anchor", "remove it"}},
    {"AnchorOnMap", "data: &d {flip: true}\n", {"bad.yaml:5:", "anchor"}},
    {"Alias", "seed: &s 5\nthreads: *s\n", {"anchor", "6:10", "alias", "write the value out"}},
    {"UndefinedAlias", "threads: *s\n", {"bad.yaml:5:"}},
    {"CyclicAlias", "data: &x [*x]\n", {"bad.yaml:5:", "anchor"}},
    {"MergeKey", "data: &d {crop: 1}\nsearch: {<<: *d}\n", {"anchor", "alias"}},
    {"Tag", "seed: !!int 5\n", {"bad.yaml:5:", "tag", "remove it"}},
    {"LocalTag", "data: !mine {crop: 1}\n", {"bad.yaml:5:", "tag '!mine'"}},
    {"DuplicateKey", "seed: 1\nseed: 2\n", {"bad.yaml:6:1: duplicate key 'seed'", "first at", "5:1"}},
    {"DuplicateNestedKey", "data: {crop: 1, crop: 1}\n", {"bad.yaml:5:17: duplicate key 'crop'"}},
    {"DuplicateOfTheFirstLine", "budgets: []\n", {"duplicate key 'budgets'", "1:1"}},
    {"ListAsKey", "? [a, b]\n: 1\n", {"bad.yaml:5:", "list or map as key"}},
    {"MapAsKey", "{a: 1}: 1\n", {"bad.yaml:5:", "list or map as key"}},
    {"EmptyKey", ": 1\n", {"bad.yaml:5:", "unknown key ''"}},
    {"MergeKeyWithoutAlias", "<<: {seed: 1}\n", {"unknown key '<<'"}},
    {"TooDeep",
     fmt::format("data: {}{}\n", repeated("[", 40), repeated("]", 40)),
     {"bad.yaml:5:", "nested too deeply"}},
    {"TooDeepBlocks", repeated("- ", 40) + "1\n", {"bad.yaml:5:"}},
    {"TooManyValues", fmt::format("data: [{}1]\n", repeated("1,", 6000)), {"bad.yaml:5:", "too many values"}},
    // Bytes
    {"Nul", std::string("seed: 1\0\n", 9), {"bad.yaml:5:8: byte 0x00", "UTF-8"}},
    {"EndOfTransmission", "\x04\nseed: x\n", {"bad.yaml:5:1: byte 0x04"}},
    {"Latin1", "name: M\xFCller\n", {"bad.yaml:5:8: byte 0xfc", "UTF-8"}},
    {"OverlongUtf8", "name: a\xC0\xAF\n", {"byte 0xc0"}},
    {"Surrogate", "name: a\xED\xA0\x80\n", {"byte 0xed"}},
    {"TruncatedUtf8", "name: \xE2\x82", {"bad.yaml:5:7: byte 0xe2"}},
    {"Escape", "name: a\x1B[31m\n", {"byte 0x1b"}},
    // Unknown keys
    {"UnknownKey",
     "sead: 1\n",
     {"bad.yaml:5:1: unknown key 'sead'", "did you mean seed?", "allowed: name, seed, threads"}},
    {"UnknownNested",
     "search: {evolution: {popluation: 5}}\n",
     {"5:22: unknown key 'popluation'", "not one of search.evolution", "did you mean population?"}},
    {"UnknownFarFromAll",
     "data: {quux_quux_quux: 1}\n",
     {"unknown key 'quux_quux_quux'", "allowed: format, path"}},
    {"UpperCaseKey", "Seed: 1\n", {"unknown key 'Seed'", "did you mean seed?"}},
    {"StepsOfFinetuning", "finetune: {qat: {steps: 5}}\n", {"unknown key 'steps'", "finetune.qat"}},
    // Numbers
    {"Letters", "seed: abc\n", {"bad.yaml:5:7: seed is 'abc'", "whole number", "at least 0"}},
    {"NumberWithTail", "seed: 7abc\n", {"seed is '7abc'"}},
    {"FractionForWhole", "threads: 1.5\n", {"threads is '1.5'", "whole number"}},
    {"ExponentForWhole", "threads: 1e1\n", {"threads is '1e1'", "digits only"}},
    {"Octal", "threads: 010\n", {"threads is '010'", "leading zero", "octal"}},
    {"OctalWithLetter", "threads: 0o10\n", {"threads is '0o10'"}},
    {"Hexadecimal", "threads: 0x10\n", {"threads is '0x10'"}},
    {"LeadingZeroFraction", "checkpoint_seconds: 00.5\n", {"leading zero"}},
    {"Plus", "threads: +4\n", {"remove the +"}},
    {"Underscore", "seed: 1_000\n", {"remove the _"}},
    {"DecimalComma", "checkpoint_seconds: 1,5\n", {"checkpoint_seconds is '1,5'", "point"}},
    {"QuotedNumber", "threads: \"4\"\n", {"threads is '4'", "remove the quotes"}},
    {"Blank", "threads: 4 4\n", {"threads is '4 4'"}},
    {"NotANumber", "checkpoint_seconds: .nan\n", {"checkpoint_seconds is '.nan'"}},
    {"Nan", "checkpoint_seconds: nan\n", {"checkpoint_seconds is 'nan'"}},
    {"Infinite", "checkpoint_seconds: inf\n", {"checkpoint_seconds is 'inf'"}},
    {"Overflow", "checkpoint_seconds: 1e400\n", {"checkpoint_seconds is '1e400'"}},
    {"IntOverflow", "threads: 99999999999999999999\n", {"threads is '99999999999999999999'", "1 to 1024"}},
    {"SeedOverflow", "seed: 18446744073709551616\n", {"seed is '18446744073709551616'", "at least 0"}},
    {"NegativeSeed", "seed: -1\n", {"seed is '-1'", "at least 0"}},
    {"Zero", "threads: 0\n", {"threads is '0'", "1 to 1024"}},
    {"TooLarge", "data: {crop: 129}\n", {"data.crop is '129'", "0 to 128"}},
    {"NotPositive", "predictor: {learning_rate: 0}\n", {"predictor.learning_rate is '0'", "above 0"}},
    {"Null", "seed: ~\n", {"bad.yaml:5:7: seed has no value"}},
    {"Missing", "seed:\n", {"seed has no value"}},
    // Flags, texts, kinds
    {"Yes", "data: {flip: yes}\n", {"5:14: data.flip is 'yes'", "true or false"}},
    {"UpperCaseTrue", "data: {flip: True}\n", {"data.flip is 'True'", "lower case"}},
    {"One", "data: {flip: 1}\n", {"data.flip is '1'"}},
    {"QuotedTrue", "data: {flip: \"true\"}\n", {"data.flip is 'true'", "without quotes"}},
    {"UnknownChoice",
     "supernet: {mode: sandwhich}\n",
     {"supernet.mode is 'sandwhich'", "did you mean sandwich?", "one of: sandwich, progressive"}},
    {"UnknownFormat", "data: {format: mnist}\n", {"data.format is 'mnist'", "idx", "cifar10", "folder"}},
    {"UnknownTopology",
     "search: {islands: {topology: star}}\n",
     {"search.islands.topology is 'star'", "ring"}},
    {"UnknownCounting", "hardware: {counting: all}\n", {"hardware.counting is 'all'", "everything, apq"}},
    {"UnknownDevice", "hardware: {device: gpu}\n", {"5:20", "hardware.device", "gpu", "bitfusion"}},
    {"EmptyText", "data: {path: \"\"}\n", {"data.path is ''", "empty"}},
    {"LineBreakInText", "data: {path: \"a\\nb\"}\n", {"data.path is 'a?b'", "control character"}},
    {"ListForNumber", "seed: [1]\n", {"bad.yaml:5:7: seed is a list", "single value"}},
    {"MapForNumber", "seed: {a: 1}\n", {"seed is a group of keys"}},
    {"NumberForGroup", "data: 5\n", {"data is a single value", "group of keys"}},
    {"ListForGroup", "data: [1]\n", {"data is a list", "group of keys"}},
    {"LongValue", fmt::format("seed: {}\n", std::string(5000, 'x')), {"seed is 'xxxx", "...'"}},
    // Names
    {"NameWithSlash", "name: a/b\n", {"bad.yaml:5:7: name is 'a/b'", "other characters"}},
    {"NameUpwards", "name: ..\n", {"name is '..'", "starts with"}},
    {"NameWithDash", "name: -x\n", {"name is '-x'", "starts with"}},
    {"NameTooLong", fmt::format("name: {}\n", std::string(101, 'a')), {"name is", "more than 100"}},
    // Relations
    {"IntervalBeyondGenerations",
     "search: {generations: 5}\n",
     {"5:23: search.evaluation_interval is 50", "search.generations is 5"}},
    {"ElitesBeyondPopulation",
     "search: {evolution: {elites: 101}}\n",
     {"5:30: search.evolution.elites is 101"}},
    {"TooFewChildren",
     "search: {evolution: {mutants: 5, crossovers: 5}}\n",
     {"search.evolution.population is 100", "35"}},
    {"ExplorationOfASinglePerceptron",
     "search: {exploration: 1}\n",
     {"search.exploration is 1", "predictor.members is 1"}},
    {"MigrantsBeyondPopulation", "search: {islands: {migrants: 101}}\n", {"search.islands.migrants is 101"}},
    {"WarmupBeyondEpochs", "supernet: {warmup_epochs: 20}\n", {"5:27: supernet.warmup_epochs is 20"}},
    {"MoreImagesThanHeldOut",
     "data: {validation: 100}\n",
     {"pairs.fp32_images is 5000", "data.validation is 100"}},
    {"MoreImagesThanTheLimit",
     "data: {train_limit: 1000}\npairs: {recalibration: {images: 1001}}\n",
     {"6:33: pairs.recalibration.images is 1001", "5:21: pairs.qat.batch_statistics_images is 1024", "1000"}},
    {"CropBeyondImage", "data: {crop: 100}\n", {"data.crop is 100"}},
    {"CifarSize", "data: {format: cifar10}\n", {"space.input_size is 28", "32", "space.input_channels is 1"}},
    {"FewPairs", "pairs: {int8: 3}\n", {"pairs.int8 is 3", "held_out"}},
};

class BadInput : public ConfigFiles, public testing::WithParamInterface<Case> {};

TEST_P(BadInput, IsRefusedWithPlaceReasonAndHintWithinASecond) {
  const auto file = write("bad.yaml", kLeast + GetParam().text);
  const CpuTimer timer;
  const std::string text = error_of(file);
  EXPECT_LT(timer.seconds(), 1);
  EXPECT_FALSE(text.empty());
  for (const std::string& part : GetParam().parts) EXPECT_THAT(text, HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(Golden, BadInput, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

class BadLists : public ConfigFiles {
 protected:
  std::string stage(const std::string& keys) {
    return error_of(
        write("s.yaml", fmt::format("budgets: [{{limit: 1}}]\nspace: {{stages: [{{{}}}]}}\n", keys)));
  }
  std::string budgets(const std::string& list) {
    return error_of(
        write("b.yaml", fmt::format("space: {{stages: [{{depths: [1]}}]}}\nbudgets: {}\n", list)));
  }
};

TEST_F(BadLists, OfNumbersAreNamedWithTheirItem) {
  EXPECT_THAT(stage("kernels: 3"), HasSubstr("s.yaml:2:28: space.stages[0].kernels is a single value"));
  EXPECT_THAT(stage("kernels: []"), HasSubstr("space.stages[0].kernels (the list is empty)"));
  EXPECT_THAT(stage("kernels: [3, x]"), HasSubstr("item 2 is 'x'"));
  EXPECT_THAT(stage("kernels: [3, [5]]"), HasSubstr("item 2 is no number"));
  EXPECT_THAT(stage("kernels: [5, 3]"), HasSubstr("3 follows 5"));
  EXPECT_THAT(stage("kernels: [3, 3]"), HasSubstr("3 follows 3"));
  EXPECT_THAT(stage("kernels: [3, 4]"), HasSubstr("even number"));
  EXPECT_THAT(stage("depths: [0, 1]"), HasSubstr("item 1 is '0'"));
  EXPECT_THAT(stage("min_expand: 6, max_expand: 4"), HasSubstr("space.stages[0].min_expand is 6"));
}

TEST_F(BadLists, OfGroupsAreNamedWithTheirItem) {
  EXPECT_THAT(stage("widht: 3"),
              HasSubstr("unknown key 'widht' (not one of space.stages[0], did you mean width?)"));
  EXPECT_THAT(budgets("5"), HasSubstr("b.yaml:2:10: budgets is a single value"));
  EXPECT_THAT(budgets("{metric: params}"), HasSubstr("budgets is a group of keys (expected a list"));
  EXPECT_THAT(budgets("[5]"), HasSubstr("2:11: budgets[0] is a single value"));
  EXPECT_THAT(budgets("[{metric: watts, limit: 1}]"), HasSubstr("budgets[0].metric is 'watts'"));
  EXPECT_THAT(budgets("[{metric: watts, limit: 1}]"),
              HasSubstr("one of: latency_ms, energy_mj, bitops_g, params, size_kib"));
  EXPECT_THAT(budgets("[{limit: -1}]"), HasSubstr("budgets[0].limit is '-1'"));
  EXPECT_THAT(budgets("[{limit: 1}, {limit: 1.0}]"), HasSubstr("budgets[1] repeats budgets[0]"));
  EXPECT_THAT(budgets("[]"), HasSubstr("budgets is empty"));
  EXPECT_THAT(error_of(write("n.yaml", "budgets: [{limit: 1}]\n")), HasSubstr("space.stages is empty"));
}

class BadFiles : public ConfigFiles {};

TEST_F(BadFiles, AreNamed) {
  EXPECT_THAT(error_of(folder_ / "none.yaml"), HasSubstr("no such file"));
  EXPECT_THAT(error_of(folder_), HasSubstr("not a regular file"));
  EXPECT_THAT(error_of("/dev/zero"), HasSubstr("not a regular file"));
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of(folder_ / "pipe"), HasSubstr("not a regular file"));
  EXPECT_THAT(error_of(write("empty.yaml", "")), HasSubstr("budgets is empty"));
  EXPECT_THAT(error_of(write("list.yaml", "[1, 2]\n")), HasSubstr("list.yaml:1:1: no key at all"));
  EXPECT_THAT(error_of(write("a b.yaml", kLeast)), HasSubstr("name is 'a b'"));
}

TEST_F(BadFiles, ThatExtendEachOtherOrTooManyAreRefused) {
  write("a.yaml", "extends: b.yaml\n");
  write("b.yaml", "extends: ./a.yaml\n");
  EXPECT_THAT(error_of(folder_ / "a.yaml"), HasSubstr("extends 'b.yaml'"));
  EXPECT_THAT(error_of(write("self.yaml", "extends: self.yaml\n")), HasSubstr("that file extends this one"));
  EXPECT_THAT(error_of(write("n.yaml", "extends: none.yaml\n")), HasSubstr("n.yaml:1:10: cannot read"));
  EXPECT_THAT(error_of(write("l.yaml", "extends: [a.yaml]\n")), HasSubstr("extends is no text"));
  EXPECT_THAT(error_of(write("d.yaml", "extends: .\n")), HasSubstr("not a regular file"));
  write("0.yaml", kLeast);
  for (int i = 1; i <= 5; ++i) write(fmt::format("{}.yaml", i), fmt::format("extends: {}.yaml\n", i - 1));
  EXPECT_EQ(error_of(write("four.yaml", "extends: 3.yaml\n")), "");
  EXPECT_THAT(error_of(write("five.yaml", "extends: 4.yaml\n")), HasSubstr("in a row"));
}

TEST_F(BadFiles, BadOptionsAreNamed) {
  const auto file = write("good.yaml", kLeast);
  EXPECT_THAT(error_of(file, {"seed"}),
              HasSubstr("--set 'seed': cannot be understood (expected key.path=value)"));
  EXPECT_THAT(error_of(file, {"=1"}), HasSubstr("--set '=1'"));
  EXPECT_THAT(error_of(file, {"data..crop=1"}), HasSubstr("--set 'data..crop=1'"));
  EXPECT_THAT(error_of(file, {"a.b.c.d.e.f.g.h.i=1"}), HasSubstr("cannot be understood"));
  EXPECT_THAT(error_of(file, {repeated("a.", 1000000) + "=1"}), HasSubstr("cannot be understood"));
  EXPECT_THAT(error_of(file, {"seed="}), HasSubstr("--set 'seed=': seed has no value"));
  EXPECT_THAT(error_of(file, {"seed=010"}), HasSubstr("--set 'seed=010': seed is '010' (a leading zero"));
  EXPECT_THAT(error_of(file, {"seed=[1"}), HasSubstr("close all brackets"));
  EXPECT_THAT(error_of(file, {"seed=*x"}), HasSubstr("--set 'seed=*x'"));
  EXPECT_THAT(error_of(file, {"seed=&x 1"}), HasSubstr("anchor"));
  EXPECT_THAT(error_of(file, {"data={crop: 1, crop: 2}"}), HasSubstr("duplicate key 'crop'"));
  EXPECT_THAT(error_of(file, {"budgets.limit=2"}), HasSubstr("budgets is a group of keys"));
  EXPECT_THAT(error_of(file, {"extends=other.yaml"}), HasSubstr("unknown key 'extends'"));
  EXPECT_THAT(error_of(file, {"search.generations=5"}),
              HasSubstr("--set 'search.generations=5': search.evaluation_interval"));
  EXPECT_THAT(error_of(file, {std::string("seed=\xFF")}), HasSubstr("byte 0xff"));
}

/// Files made to exhaust a reader: each must be refused in under a second and a hundred megabytes.
TEST_F(BadFiles, BombsAreRefusedQuickly) {
  constexpr int kMega = 1 << 20;
  std::string aliases = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 30; ++i) aliases += fmt::format("a{0}: &a{0} [*a{1}, *a{1}]\n", i, i - 1);
  const std::vector<std::string> bombs = {
      aliases,
      repeated("[", kMega),
      repeated("{", kMega),
      repeated("{a: ", kMega / 4),
      repeated("- ", kMega / 2),
      repeated("? ", kMega / 2),
      repeated("[],", kMega / 3),
      fmt::format("[{}]", repeated("[],", kMega / 4)),
      fmt::format("[{}]", repeated("a,", kMega / 3)),
      repeated("a: 1\n", kMega / 6),
      repeated(",", kMega),
      repeated(":", kMega),
      repeated("!", kMega),
      repeated("&", kMega),
      repeated("\n", kMega),
      repeated("#", kMega),
      repeated(" ", kMega),
      repeated("\"\"", kMega / 2),
      fmt::format("a: '{}'", repeated("''", kMega / 3)),
      fmt::format("a: |\n{}", repeated(" x\n", kMega / 4)),
      repeated("---\n", kMega / 4),
      repeated("%TAG ! x\n", kMega / 10),
      std::string(kMega, 'x'),
      std::string(kMega + 1, 'x'),
      std::string(100 * kMega, 'x'),
  };
  for (std::size_t i = 0; i < bombs.size(); ++i) {
    const auto file = write("bomb.yaml", bombs[i]);
    const double before = peak_rss_mib();
    const CpuTimer timer;
    EXPECT_NE(error_of(file), "") << i;
    EXPECT_LT(timer.seconds(), 1) << i;
    EXPECT_LT(peak_rss_mib() - before, 100) << i;
  }
}

}  // namespace
}  // namespace apq::config
