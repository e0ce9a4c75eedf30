// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace apq::io {

namespace fs = std::filesystem;

/// A bag of named arrays and strings: all that a checkpoint, a migrant message or a saved network is made of.
/// Values are plain numbers, so nothing in a file can ask for recursion or pointers. Serialised with a Boost
/// binary archive that lives only inside a checked frame (see Archive::to_frame).
class Archive {
 public:
  /// Replaces whatever the key held.
  void put(const std::string& key, std::string value);
  void put(const std::string& key, std::int64_t value);
  void put(const std::string& key, double value);
  void put(const std::string& key, std::span<const float> values);
  void put(const std::string& key, std::span<const double> values);
  void put(const std::string& key, std::span<const std::int64_t> values);
  void put(const std::string& key, std::span<const std::uint8_t> values);
  bool has(const std::string& key) const;

  /// Getters throw Error(checkpoint) naming the key when it is missing or of another type.
  std::string text(const std::string& key) const;
  std::int64_t integer(const std::string& key) const;
  double real(const std::string& key) const;
  std::vector<float> floats(const std::string& key) const;
  std::vector<double> doubles(const std::string& key) const;
  std::vector<std::int64_t> integers(const std::string& key) const;
  std::vector<std::uint8_t> bytes(const std::string& key) const;

  /// Frame: magic "APQFRAME", format version, payload kind, raw and stored length, XXH3 of header and of
  /// payload, zstd payload, end mark. Byte-equal for equal contents.
  std::vector<std::byte> to_frame(const std::string& kind) const;
  /// Throws Error(checkpoint) naming `origin` for anything but an intact frame of this kind whose content,
  /// decompressed, has at most `max_bytes`; takes no memory before all of that is checked.
  static Archive from_frame(std::span<const std::byte> frame, const std::string& kind,
                            const std::string& origin, std::size_t max_bytes = std::size_t{1} << 30);
  void save(const fs::path& path, const std::string& kind) const;
  /// Up to 4 GiB.
  static Archive load(const fs::path& path, const std::string& kind);

 private:
  template <class Self, class Action>
  static void each_map(Self& self, Action action);
  template <class T>
  void store(std::map<std::string, T>& map, const std::string& key, T value);
  template <class T>
  const T& find(const std::map<std::string, T>& map, const std::string& key) const;

  std::map<std::string, std::string> texts_;
  std::map<std::string, std::int64_t> integers_;
  std::map<std::string, double> reals_;
  std::map<std::string, std::vector<float>> float_arrays_;
  std::map<std::string, std::vector<double>> double_arrays_;
  std::map<std::string, std::vector<std::int64_t>> integer_arrays_;
  std::map<std::string, std::vector<std::uint8_t>> byte_arrays_;
};

/// Checkpoints of one stage in a folder: <name>.<sequence>.ckpt, the last three kept. `fingerprint` is a
/// string of "key=value" lines describing configuration and data; `name` has at most 32 characters.
class CheckpointStore {
 public:
  CheckpointStore(fs::path folder, std::string name, std::string fingerprint);
  /// Writes, reads back and removes what is too old, or newer: that was damaged or belongs to another course
  /// of the run.
  void save(std::int64_t sequence, const Archive& archive);
  struct Found {
    std::int64_t sequence;
    Archive archive;
  };
  /// Newest intact checkpoint by sequence, empty when there are no files. Damaged ones are named in the log
  /// and skipped; Error(checkpoint) when all are damaged, or when it has another fingerprint: then the lines
  /// that differ are listed.
  std::optional<Found> newest() const;
  /// Is there any file of this stage, intact or not?
  bool any() const;
  void remove_all();

 private:
  void remove_unfinished();

  fs::path folder_;
  std::string name_;
  std::string fingerprint_;
};

}  // namespace apq::io
