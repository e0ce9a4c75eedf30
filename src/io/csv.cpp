// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>

#include "apq/core/error.hpp"
#include "apq/io/files.hpp"

namespace apq::io {
namespace {

std::string quoted(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string result = "\"";
  for (const char c : field) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + '"';
}

/// Takes records from the front of a text, counting lines for error messages.
class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& origin) : text_(text), origin_(origin) {}

  bool done() const { return at_ == text_.size(); }
  std::size_t line() const { return line_; }

  std::vector<std::string> record() {
    std::vector<std::string> fields;
    do fields.push_back(peek() == '"' ? quoted_field() : plain_field());
    while (take(','));
    take('\r');
    if (!take('\n') && !done()) refuse("a character after the closing quote");
    ++line_;
    return fields;
  }

  [[noreturn]] void refuse(const std::string& why) const {
    fail(ErrorKind::data, "cannot read {}:{} ({})", origin_, line_, why);
  }

 private:
  char peek() const { return done() ? '\0' : text_[at_]; }
  bool take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string plain_field() {
    const std::size_t end = std::min(text_.find_first_of(",\r\n", at_), text_.size());
    std::string field(text_.substr(at_, end - at_));
    if (field.find('"') != std::string::npos) refuse("a quote inside a field without quotes");
    at_ = end;
    return field;
  }

  std::string quoted_field() {
    take('"');
    std::string field;
    std::size_t lines = 0;
    while (!done()) {
      const char c = text_[at_++];
      if (c == '"' && !take('"')) {
        line_ += lines;
        return field;
      }
      lines += c == '\n';
      field += c;
    }
    refuse("a quote that is never closed");
  }

  std::string_view text_;
  std::string origin_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

}  // namespace

CsvWriter::CsvWriter(std::vector<std::string> header) : columns_(header.size()) { row(header); }

void CsvWriter::row(const std::vector<std::string>& fields) {
  APQ_ASSERT(!fields.empty() && fields.size() == columns_);
  // A line with nothing on it would be no row.
  if (columns_ == 1 && fields[0].empty()) text_ += "\"\"";
  for (std::size_t i = 0; i < columns_; ++i) {
    if (i > 0) text_ += ',';
    text_ += quoted(fields[i]);
  }
  text_ += '\n';
}

std::size_t CsvTable::column(std::string_view name) const {
  const auto found = std::ranges::find(header, name);
  validate(found != header.end(), ErrorKind::data, "there is no column '{}' (there are: {})", name,
           fmt::join(header, ", "));
  return static_cast<std::size_t>(found - header.begin());
}

CsvTable parse_csv(std::string_view text, const std::string& origin) {
  CsvReader reader(text, origin);
  if (reader.done()) reader.refuse("it is empty, a header line is expected");
  CsvTable table{reader.record(), {}};
  while (!reader.done()) {
    const CsvReader before = reader;
    table.rows.push_back(reader.record());
    if (table.rows.back().size() != table.header.size())
      before.refuse(
          fmt::format("{} fields, the header has {}", table.rows.back().size(), table.header.size()));
  }
  return table;
}

}  // namespace apq::io
