// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <utility>

#include "apq/comm/communicator.hpp"
#include "apq/core/error.hpp"
#include "apq/core/log.hpp"

namespace apq::comm {
namespace {

/// Known as soon as somebody asks.
template <class T>
class Ready final : public Later<T> {
 public:
  explicit Ready(std::function<T()> value) : value_(std::move(value)) {}
  bool here() override { return true; }
  T get() override { return value_(); }

 private:
  std::function<T()> value_;
};

/// Rank 0 of 1. Messages to itself wait in a queue per tag.
class Serial final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void barrier() override {}
  void broadcast(Bytes&, int root) override { only_self(root); }
  std::vector<Bytes> all_gather(std::span<const std::byte> bytes) override {
    return {Bytes(bytes.begin(), bytes.end())};
  }
  void sum(std::span<float>) override {}
  void sum(std::span<double>) override {}
  std::int64_t max(std::int64_t value) override { return value; }
  std::unique_ptr<Later<std::int64_t>> max_later(std::int64_t value) override {
    return std::make_unique<Ready<std::int64_t>>([value] { return value; });
  }

  void send(std::span<const std::byte> bytes, int to, int tag) override {
    only_self(to);
    mail_[tag].emplace_back(bytes.begin(), bytes.end());
  }

  Bytes receive(int from, int tag) override {
    only_self(from);
    auto& queue = mail_[tag];
    validate(!queue.empty(), ErrorKind::internal,
             "cannot receive a message with tag {} (there is one process and it sent none)", tag);
    Bytes bytes = std::move(queue.front());
    queue.pop_front();
    return bytes;
  }

  std::unique_ptr<Later<Bytes>> receive_later(int from, int tag) override {
    only_self(from);
    return std::make_unique<Ready<Bytes>>([=, this] { return receive(from, tag); });
  }

  Message receive_any(int tag) override { return {0, receive(0, tag)}; }
  std::optional<Message> try_receive(int tag) override {
    if (mail_[tag].empty()) return std::nullopt;
    return receive_any(tag);
  }

  std::int64_t fetch_add(std::int64_t n) override { return std::exchange(counter_, counter_ + n); }
  void reset_counter() override { counter_ = 0; }

  std::span<const std::byte> share(const std::function<std::span<const std::byte>()>& source) override {
    const auto bytes = source();
    return shared_.emplace_back(bytes.begin(), bytes.end());
  }
  int node_size() const override { return 1; }

  [[noreturn]] void abort(int code) override {
    log::flush();
    std::_Exit(code);
  }

 private:
  static void only_self(int rank) {
    validate(rank == 0, ErrorKind::internal, "cannot reach rank {} (there is one process)", rank);
  }

  std::map<int, std::deque<Bytes>> mail_;
  std::int64_t counter_ = 0;
  std::list<Bytes> shared_;
};

}  // namespace

std::unique_ptr<Communicator> make_serial() { return std::make_unique<Serial>(); }

}  // namespace apq::comm
