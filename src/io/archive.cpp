// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/io/archive.hpp"

#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>
#include <sstream>
#include <streambuf>

#include "apq/core/error.hpp"
#include "apq/io/files.hpp"
#include "io/frame.hpp"

namespace apq::io {
namespace {

// Boost's own header would add nothing to the frame's, and reading it believes the length of a text.
constexpr unsigned kFlags = boost::archive::no_header | boost::archive::no_codecvt;

template <class T>
constexpr bool is_array = requires(T t) {
  t.resize(1);
};

/// Every value is a count and that many plain numbers, or one number.
class Writer {
 public:
  template <class T>
  void map(const std::map<std::string, T>& values) {
    plain(std::uint64_t{values.size()});
    for (const auto& [key, value] : values) {
      array(key);
      if constexpr (is_array<T>)
        array(value);
      else
        plain(value);
    }
  }
  std::string take() { return std::move(buffer_).str(); }

 private:
  template <class T>
  void plain(T value) {
    archive_.save_binary(&value, sizeof(value));
  }
  template <class T>
  void array(const T& values) {
    plain(std::uint64_t{values.size()});
    archive_.save_binary(values.data(), values.size() * sizeof(values[0]));
  }

  std::stringbuf buffer_;
  boost::archive::binary_oarchive archive_{buffer_, kFlags};
};

/// Boost believes every size it reads, so each count is compared with the bytes left before memory is taken.
class Reader {
 public:
  explicit Reader(std::span<std::byte> raw) : buffer_(raw), archive_(buffer_, kFlags) {}

  template <class T>
  void map(std::map<std::string, T>& values) {
    for (std::uint64_t n = count(sizeof(std::uint64_t)); n > 0; --n) {
      std::string key;
      array(key);
      T& value = values[key];
      if constexpr (is_array<T>)
        array(value);
      else
        plain(value);
    }
  }
  std::size_t left() const { return buffer_.left(); }

 private:
  struct View : std::streambuf {
    explicit View(std::span<std::byte> raw) {
      char* first = reinterpret_cast<char*>(raw.data());
      setg(first, first, first + raw.size());
    }
    std::size_t left() const { return static_cast<std::size_t>(egptr() - gptr()); }
  };

  template <class T>
  void plain(T& value) {
    archive_.load_binary(&value, sizeof(value));
  }
  std::uint64_t count(std::size_t element_size) {
    std::uint64_t n = 0;
    plain(n);
    validate(n <= left() / element_size, ErrorKind::checkpoint, "{} elements, {} bytes left", n, left());
    return n;
  }
  template <class T>
  void array(T& values) {
    values.resize(count(sizeof(values[0])));
    archive_.load_binary(values.data(), values.size() * sizeof(values[0]));
  }

  View buffer_;
  boost::archive::binary_iarchive archive_;
};

}  // namespace

/// The maps of an archive, in the order they are stored.
template <class Self, class Action>
void Archive::each_map(Self& self, Action action) {
  action(self.texts_);
  action(self.integers_);
  action(self.reals_);
  action(self.float_arrays_);
  action(self.double_arrays_);
  action(self.integer_arrays_);
  action(self.byte_arrays_);
}

template <class T>
void Archive::store(std::map<std::string, T>& map, const std::string& key, T value) {
  each_map(*this, [&](auto& any) { any.erase(key); });
  map.emplace(key, std::move(value));
}

template <class T>
const T& Archive::find(const std::map<std::string, T>& map, const std::string& key) const {
  const auto found = map.find(key);
  validate(found != map.end(), ErrorKind::checkpoint, "cannot use a stored value (key '{}' {})", key,
           has(key) ? "is of another type" : "is missing");
  return found->second;
}

void Archive::put(const std::string& key, std::string value) { store(texts_, key, std::move(value)); }
void Archive::put(const std::string& key, std::int64_t value) { store(integers_, key, value); }
void Archive::put(const std::string& key, double value) { store(reals_, key, value); }
void Archive::put(const std::string& key, std::span<const float> values) {
  store(float_arrays_, key, {values.begin(), values.end()});
}
void Archive::put(const std::string& key, std::span<const double> values) {
  store(double_arrays_, key, {values.begin(), values.end()});
}
void Archive::put(const std::string& key, std::span<const std::int64_t> values) {
  store(integer_arrays_, key, {values.begin(), values.end()});
}
void Archive::put(const std::string& key, std::span<const std::uint8_t> values) {
  store(byte_arrays_, key, {values.begin(), values.end()});
}

bool Archive::has(const std::string& key) const {
  bool found = false;
  each_map(*this, [&](const auto& map) { found = found || map.contains(key); });
  return found;
}

std::string Archive::text(const std::string& key) const { return find(texts_, key); }
std::int64_t Archive::integer(const std::string& key) const { return find(integers_, key); }
double Archive::real(const std::string& key) const { return find(reals_, key); }
std::vector<float> Archive::floats(const std::string& key) const { return find(float_arrays_, key); }
std::vector<double> Archive::doubles(const std::string& key) const { return find(double_arrays_, key); }
std::vector<std::int64_t> Archive::integers(const std::string& key) const {
  return find(integer_arrays_, key);
}
std::vector<std::uint8_t> Archive::bytes(const std::string& key) const { return find(byte_arrays_, key); }

std::vector<std::byte> Archive::to_frame(const std::string& kind) const {
  Writer writer;
  each_map(*this, [&](const auto& map) { writer.map(map); });
  const std::string raw = writer.take();
  return make_frame(kind, std::as_bytes(std::span(raw)));
}

Archive Archive::from_frame(std::span<const std::byte> frame, const std::string& kind,
                            const std::string& origin, std::size_t max_bytes) {
  std::vector<std::byte> raw = open_frame(frame, kind, origin, max_bytes);
  Archive archive;
  try {
    Reader reader(raw);
    each_map(archive, [&](auto& map) { reader.map(map); });
    validate(reader.left() == 0, ErrorKind::checkpoint, "{} bytes too many", reader.left());
  } catch (const std::bad_alloc&) {
    throw;  // counts are checked, so it is this machine that has too little
  } catch (const std::exception& error) {
    fail(ErrorKind::checkpoint, "cannot use {} (its content makes no sense: {})", origin, error.what());
  }
  return archive;
}

void Archive::save(const fs::path& path, const std::string& kind) const {
  write_atomically(path, std::span<const std::byte>(to_frame(kind)));
}

Archive Archive::load(const fs::path& path, const std::string& kind) {
  return from_frame(read_bytes(path, kLargestPayload, ErrorKind::checkpoint), kind, path.string(),
                    kLargestPayload);
}

}  // namespace apq::io
