// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/pairs_file.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <sstream>

#include "apq/core/error.hpp"
#include "apq/core/hash.hpp"
#include "apq/core/process.hpp"
#include "apq/io/files.hpp"
#include "apq/pipeline/pipeline.hpp"

namespace apq::pipeline {

namespace {

constexpr const char *kFirstLine = "# apq pairs 1", *kSource = "by ", *kUnknown = "unknown",
                     *kRecipeFile = "pairs.txt", *kColumns = "kind,accuracy_validation,genome\n";
constexpr const char* kKinds[] = {"fp32", "sample", "elite"};

/// What in a configuration decides on the label of a network. The path of the data does not, their hash does.
bool labels_depend_on(const std::string& line) {
  const auto begins = [&](const char* text) { return line.starts_with(text); };
  return begins("seed=") || (begins("data.") && !begins("data.path=")) || begins("supernet.") ||
         begins("pairs.fp32_images=") || begins("pairs.int8_images=") || begins("pairs.recalibration.") ||
         begins("pairs.qat.");
}

bool is_float(const PairsFile::Row& row) { return row.kind == "fp32"; }

/// Space, names and values that only one of them has, one a line.
std::string differences(const PairsFile& a, const std::string& name_a, const PairsFile& b,
                        const std::string& name_b) {
  std::vector<std::string> differing;
  for (const std::string& line : b.recipe)
    if (std::ranges::find(a.recipe, line) == a.recipe.end()) differing.push_back(line + " in " + name_b);
  for (const std::string& line : a.recipe)
    if (std::ranges::find(b.recipe, line) == b.recipe.end()) differing.push_back(line + " in " + name_a);
  return fmt::format("{}", fmt::join(differing, "\n  "));
}

PairsFile recipe_of(const Context& c, supernet::Supernet& net) {
  return label_recipe(c.config, c.space, hex(c.data->hash()), hex(hash_bytes(std::as_bytes(net.values()))));
}

PairsFile read_recipe(const fs::path& folder) {
  const fs::path file = folder / kRecipeFile;
  return parse_pairs(io::read_text(file) + kColumns, file.string());
}

/// Pairs of a folder: a run, or one that pairs were put into.
PairsFile read_folder(const fs::path& folder) {
  PairsFile pairs;
  if (fs::exists(folder / kRecipeFile)) {
    pairs = read_recipe(folder);
  } else {  // of a run before there were recipes
    validate(fs::exists(folder / "config.yaml"), ErrorKind::data,
             "{} has no pairs that are known (neither pairs.txt nor config.yaml) name a run folder",
             folder.string());
    const auto config = config::load(folder / "config.yaml");
    pairs = label_recipe(config, space::SearchSpace(config.space), kUnknown, kUnknown);
    pairs.sources = {fmt::format("an earlier apq, configuration {}", config::hash(config))};
  }
  bool any = false;
  for (const char* name : {"pairs_fp32.csv", "pairs_int8.csv"}) {
    if (!fs::exists(folder / name)) continue;
    any = true;
    const auto table = io::parse_csv(io::read_text(folder / name), (folder / name).string());
    const auto accuracy = table.column("accuracy_validation"), genome = table.column("genome");
    const bool int8 = std::ranges::find(table.header, "source") != table.header.end();
    std::string text = header_text(pairs) + kColumns;
    for (const auto& row : table.rows)
      text +=
          fmt::format("{},{},{}\n", int8 ? row[table.column("source")] : "fp32", row[accuracy], row[genome]);
    const auto rows = parse_pairs(text, (folder / name).string()).rows;
    pairs.rows.insert(pairs.rows.end(), rows.begin(), rows.end());
  }
  validate(any, ErrorKind::data, "{} has no pairs (pairs_fp32.csv or pairs_int8.csv) run 'apq collect' first",
           folder.string());
  return pairs;
}

std::string count_text(const PairsFile& pairs) {
  const auto floats = std::ranges::count_if(pairs.rows, is_float);
  return fmt::format("{} float and {} int8 pairs", floats,
                     static_cast<std::ptrdiff_t>(pairs.rows.size()) - floats);
}

}  // namespace

std::string header_text(const PairsFile& pairs) {
  std::string text = std::string(kFirstLine) + "\n";
  for (const std::string& line : pairs.recipe) text += "# " + line + "\n";
  for (const std::string& source : pairs.sources) text += fmt::format("# {}{}\n", kSource, source);
  return text;
}

std::string pairs_text(const PairsFile& pairs) {
  io::CsvWriter csv({"kind", "accuracy_validation", "genome"});
  for (const auto& row : pairs.rows) csv.row({row.kind, io::number(row.accuracy), row.genome});
  return header_text(pairs) + csv.text();
}

PairsFile parse_pairs(const std::string& text, const std::string& origin) {
  PairsFile pairs;
  std::size_t at = 0, line_number = 0;
  while (at < text.size() && text[at] == '#') {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = std::min(end + 1, text.size());
    if (line_number++ == 0) {
      validate(
          line == kFirstLine, ErrorKind::data,
          "{} is no file of pairs this program reads (it begins with \"{}\", not \"{}\") make it with 'apq "
          "pairs export'",
          origin, line, kFirstLine);
      continue;
    }
    const std::string content = line.size() > 2 ? line.substr(2) : "";
    if (content.starts_with(kSource))
      pairs.sources.push_back(content.substr(std::string_view(kSource).size()));
    else if (content.find('=') != std::string::npos)
      pairs.recipe.push_back(content);
    else
      fail(ErrorKind::data, "{} line {}: \"{}\" (key=value or by ... was expected) export it again", origin,
           line_number, line);
  }
  validate(line_number > 0, ErrorKind::data,
           "{} is no file of pairs (its first line is not \"{}\") make it with 'apq pairs export'", origin,
           kFirstLine);
  const auto table = io::parse_csv(text.substr(at), origin);
  const auto kind = table.column("kind"), accuracy = table.column("accuracy_validation"),
             genome = table.column("genome");
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const auto& row = table.rows[r];
    const std::size_t line = line_number + 2 + r;
    validate(std::ranges::find(kKinds, row[kind]) != std::end(kKinds), ErrorKind::data,
             "{} line {}: kind is \"{}\" (expected {}) mend the line or remove it", origin, line, row[kind],
             fmt::join(kKinds, ", "));
    double value = -1;
    const auto [end, error] =
        std::from_chars(row[accuracy].data(), row[accuracy].data() + row[accuracy].size(), value);
    validate(error == std::errc{} && end == row[accuracy].data() + row[accuracy].size() && value >= 0 &&
                 value <= 1,
             ErrorKind::data, "{} line {}: accuracy is \"{}\" (a share of 0 to 1 was expected) mend the line",
             origin, line, row[accuracy]);
    validate(!row[genome].empty(), ErrorKind::data, "{} line {}: it names no network", origin, line);
    pairs.rows.push_back({row[kind], value, row[genome]});
  }
  return pairs;
}

Merged merge(const std::vector<PairsFile>& files) {
  struct Labels {
    double sum = 0, low = 0, high = 0;
    int count = 0;
  };
  Merged result;
  std::map<std::pair<bool, std::string>, Labels> labels;  // by float or not, and network
  for (const PairsFile& file : files) {
    if (result.pairs.recipe.empty()) result.pairs.recipe = file.recipe;
    for (const std::string& source : file.sources)
      if (std::ranges::find(result.pairs.sources, source) == result.pairs.sources.end())
        result.pairs.sources.push_back(source);
    for (const auto& row : file.rows) {
      Labels& known = labels[{is_float(row), row.genome}];
      if (known.count == 0) {
        known = {0, row.accuracy, row.accuracy, 0};
        result.pairs.rows.push_back(row);
      } else {
        ++result.repeated;
      }
      known = {known.sum + row.accuracy, std::min(known.low, row.accuracy),
               std::max(known.high, row.accuracy), known.count + 1};
    }
  }
  for (auto& row : result.pairs.rows) {
    const Labels& all = labels.at({is_float(row), row.genome});
    row.accuracy = all.low == all.high ? all.low : all.sum / all.count;
    result.largest_difference = std::max(result.largest_difference, all.high - all.low);
  }
  return result;
}

PairsFile label_recipe(const config::Config& config, const space::SearchSpace& space,
                       const std::string& data_hash, const std::string& supernet_hash) {
  PairsFile pairs;
  pairs.recipe = {"space=" + space.describe(), "data.hash=" + data_hash, "supernet.hash=" + supernet_hash};
  std::istringstream lines(config::fingerprint(config));
  for (std::string line; std::getline(lines, line);)
    if (labels_depend_on(line)) pairs.recipe.push_back(line);
  pairs.sources = {fmt::format("apq {}, configuration {}", version(), config::hash(config))};
  return pairs;
}

void write_recipe(const Context& c, supernet::Supernet& net) {
  PairsFile recipe = recipe_of(c, net);
  if (!c.pairs.empty()) recipe.sources = merge({recipe, read_recipe(c.pairs)}).pairs.sources;
  io::write_atomically(c.out / kRecipeFile, header_text(recipe));
}

void require_this_recipe(const fs::path& folder, const Context& c, supernet::Supernet& net,
                         const std::string& who) {
  const std::string differing =
      differences(read_recipe(folder), folder.string(), recipe_of(c, net), "this configuration");
  validate(differing.empty(), ErrorKind::data,
           "the pairs in {} were not measured as this {} measures; use the configuration and the supernet of "
           "their labels; differing:\n  {}",
           folder.string(), who, differing);
}

bool inputs_have_this_recipe(const Context& c, supernet::Supernet& net) {
  for (const fs::path& folder : {c.out, c.from})
    if (!folder.empty() && fs::exists(folder / kRecipeFile))
      return read_recipe(folder).recipe == recipe_of(c, net).recipe;
  return false;
}

std::string export_pairs(const fs::path& run, const fs::path& file) {
  const PairsFile pairs = read_folder(run);
  io::write_atomically(file, pairs_text(pairs));
  return fmt::format("{}: {}", file.string(), count_text(pairs));
}

std::string append_pairs(const std::vector<fs::path>& files, const fs::path& folder) {
  validate(
      !fs::exists(folder / "config.yaml"), ErrorKind::usage,
      "{} is a run (its results belong to the pairs it measured) choose another --out and give that to later "
      "stages with --from",
      folder.string());
  std::vector<PairsFile> all;
  std::vector<std::string> names;
  if (fs::exists(folder / kRecipeFile)) {
    all.push_back(read_folder(folder));
    names.push_back(folder.string());
  }
  for (const fs::path& file : files) {
    all.push_back(parse_pairs(io::read_text(file), file.string()));
    names.push_back(file.string());
    const std::string differing = differences(all.front(), names.front(), all.back(), names.back());
    validate(differing.empty(), ErrorKind::data,
             "{} and {} cannot be put together (their labels mean different things) differing:\n  {}",
             names.front(), names.back(), differing);
  }
  const auto [pairs, repeated, largest_difference] = merge(all);
  std::error_code error;
  fs::create_directories(folder, error);
  validate(!error, ErrorKind::io, "cannot create {} ({}) choose another --out", folder.string(),
           error.message());
  io::CsvWriter fp32({"index", "accuracy_validation", "genome"}),
      int8({"index", "source", "accuracy_validation", "genome"});
  int floats = 0, integers = 0;
  for (const auto& row : pairs.rows)
    if (is_float(row))
      fp32.row({std::to_string(floats++), io::number(row.accuracy), row.genome});
    else
      int8.row({std::to_string(integers++), row.kind, io::number(row.accuracy), row.genome});
  fp32.save(folder / "pairs_fp32.csv");
  int8.save(folder / "pairs_int8.csv");
  io::write_atomically(folder / kRecipeFile, header_text(pairs));
  return fmt::format("{}: {}; {} labels of networks that had one, at most {:.4f} apart", folder.string(),
                     count_text(pairs), repeated, largest_difference);
}

}  // namespace apq::pipeline
