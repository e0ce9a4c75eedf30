// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <charconv>

#include "apq/core/error.hpp"
#include "apq/space/search_space.hpp"

namespace apq::space {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// The first characters of a text from outside, quoted, with '?' for what cannot be printed.
std::string quoted(std::string_view text) {
  std::string result(text.substr(0, 40));
  for (char& c : result)
    if (c < ' ' || c > '~') c = '?';
  return '"' + result + (text.size() > 40 ? "...\"" : "\"");
}

/// Reads one block such as k3w96p8.8d4.6 left to right.
class BlockReader {
 public:
  BlockReader(std::string_view text, std::string place)
      : text_(text), rest_(text), place_(std::move(place)) {}

  /// The index of the number after `tag` among `choices`.
  std::uint8_t choice(char tag, std::string_view what, const std::vector<int>& choices) {
    if (rest_.empty() || rest_.front() != tag) malformed(fmt::format("'{}' before the {}", tag, what));
    rest_.remove_prefix(1);
    int value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc{}) malformed(fmt::format("a number for the {}", what));
    const auto found = std::find(choices.begin(), choices.end(), value);
    validate(found != choices.end(), ErrorKind::data,
             "{}: {} {} is no choice (the space allows {}) change it", place_, what, value,
             fmt::join(choices, ", "));
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return static_cast<std::uint8_t>(found - choices.begin());
  }

  void finish() {
    if (!rest_.empty()) malformed("the end");
  }

 private:
  [[noreturn]] void malformed(const std::string& expected) const {
    fail(ErrorKind::data, "{}: {} is no block (expected {} at {}) write blocks like k3w96p8.8d4.6", place_,
         quoted(text_), expected, quoted(rest_));
  }

  std::string_view text_, rest_;
  std::string place_;
};

}  // namespace

std::string SearchSpace::to_text(const Genome& g) const {
  std::string text;
  for (int b = 0; b < static_cast<int>(blocks_.size()); ++b) {
    if (!active(g, b)) continue;
    if (b > 0) text += blocks_[b].index == 0 ? '|' : '+';
    text += fmt::format("k{}w{}p{}.{}d{}.{}", kernel(g, b), width(g, b), bits(g, b, kPwWeight),
                        bits(g, b, kPwActivation), bits(g, b, kDwWeight), bits(g, b, kDwActivation));
  }
  return text;
}

Genome SearchSpace::from_text(std::string_view text) const {
  Genome g;
  g.depth.assign(options_.stages.size(), 0);
  g.blocks.assign(blocks_.size(), BlockGenes{});
  const auto stage_texts = split(text, '|');
  validate(stage_texts.size() == options_.stages.size(), ErrorKind::data,
           "genome {} has {} stages (the space has {}) separate stages by '|'", quoted(text),
           stage_texts.size(), options_.stages.size());
  for (int s = 0; s < stages(); ++s) {
    const auto block_texts = split(stage_texts[s], '+');
    const auto& depths = options_.stages[s].depths;
    const auto depth = std::find(depths.begin(), depths.end(), static_cast<int>(block_texts.size()));
    validate(depth != depths.end(), ErrorKind::data,
             "genome stage {} has {} blocks (the space allows {}) separate blocks by '+'", s,
             block_texts.size(), fmt::join(depths, ", "));
    g.depth[s] = static_cast<std::uint8_t>(depth - depths.begin());
    for (std::size_t i = 0; i < block_texts.size(); ++i) {
      const int b = first_block_of_stage_[s] + static_cast<int>(i);
      BlockGenes& genes = g.blocks[b];
      const std::string place = fmt::format("genome stage {} block {}", s, i);
      BlockReader reader(block_texts[i], place);
      genes.kernel = reader.choice('k', "kernel", blocks_[b].kernels);
      genes.width = reader.choice('w', "width", blocks_[b].widths);
      genes.bits[kPwWeight] = reader.choice('p', "pointwise weight bits", options_.bits);
      genes.bits[kPwActivation] = reader.choice('.', "pointwise activation bits", options_.bits);
      genes.bits[kDwWeight] = reader.choice('d', "depthwise weight bits", options_.bits);
      genes.bits[kDwActivation] = reader.choice('.', "depthwise activation bits", options_.bits);
      reader.finish();
      validate(block_valid(b, genes), ErrorKind::data,
               "{}: kernel 7 with {}-bit depthwise input is forbidden (forbid_k7_dw4) change one of both",
               place, bits(g, b, kDwActivation));
    }
  }
  return g;
}

}  // namespace apq::space
