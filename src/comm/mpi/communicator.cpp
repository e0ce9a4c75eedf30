// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/comm/communicator.hpp"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <list>
#include <numeric>
#include <utility>

#include "apq/core/error.hpp"
#include "apq/core/log.hpp"
#include "apq/core/watchdog.hpp"
#include "comm/chunks.hpp"

namespace apq::comm {
namespace {

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  fail(ErrorKind::environment, "{} failed ({})", call, std::string_view(text.data(), length));
}

#define APQ_MPI(call, ...) check(call(__VA_ARGS__), #call)

int as_int(std::size_t count) { return static_cast<int>(count); }

/// A message on its way, kept until MPI no longer needs it.
struct Outgoing {
  Bytes bytes;
  std::uint64_t size;
  std::vector<MPI_Request> requests = {};
};

/// Requests and the memory they read and write. What is given up (on an error, before the job is aborted) is
/// never freed: MPI may still write there.
template <class State>
class UnderWay {
 public:
  UnderWay() : state_(std::make_unique<State>()) {}
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;
  ~UnderWay() {
    if (!state_->requests.empty()) static_cast<void>(state_.release());
  }
  State* operator->() const { return state_.get(); }

  bool done() {
    int all = 0;
    APQ_MPI(MPI_Testall, as_int(state_->requests.size()), state_->requests.data(), &all, MPI_STATUSES_IGNORE);
    if (all != 0) state_->requests.clear();
    return all != 0;
  }
  void wait() {
    APQ_MPI(MPI_Waitall, as_int(state_->requests.size()), state_->requests.data(), MPI_STATUSES_IGNORE);
    state_->requests.clear();
  }

 private:
  std::unique_ptr<State> state_;
};

/// A message as `send` splits it: its size, then its content.
class Incoming final : public Later<Bytes> {
 public:
  Incoming(MPI_Comm world, int from, int tag) : world_(world), from_(from), tag_(tag) {
    start(std::as_writable_bytes(std::span(&message_->size, 1)));
  }

  bool here() override {
    if (!message_.done()) return false;
    if (std::exchange(sized_, true)) return true;
    receive_content();
    return message_.done();
  }

  Bytes get() override {
    const watchdog::Waiting waiting;
    message_.wait();
    if (!std::exchange(sized_, true)) {
      receive_content();
      message_.wait();
    }
    return std::move(message_->bytes);
  }

 private:
  struct Message {
    std::uint64_t size = 0;
    Bytes bytes;
    std::vector<MPI_Request> requests;
  };

  void start(std::span<std::byte> part) {
    APQ_MPI(MPI_Irecv, part.data(), as_int(part.size()), MPI_BYTE, from_, tag_, world_,
            &message_->requests.emplace_back());
  }
  void receive_content() {
    message_->bytes.resize(message_->size);
    for_each_chunk(std::span(message_->bytes), [&](std::span<std::byte> part) { start(part); });
  }

  MPI_Comm world_;
  int from_, tag_;
  bool sized_ = false;
  UnderWay<Message> message_;
};

class Maximum final : public Later<std::int64_t> {
 public:
  Maximum(MPI_Comm world, std::int64_t value) {
    reduced_->value = value;
    APQ_MPI(MPI_Iallreduce, MPI_IN_PLACE, &reduced_->value, 1, MPI_INT64_T, MPI_MAX, world,
            &reduced_->requests.emplace_back());
  }
  bool here() override { return reduced_.done(); }
  std::int64_t get() override {
    const watchdog::Waiting waiting;
    reduced_.wait();
    return reduced_->value;
  }

 private:
  struct Value {
    std::int64_t value = 0;
    std::vector<MPI_Request> requests;
  };
  UnderWay<Value> reduced_;
};

class Mpi final : public Communicator {
 public:
  Mpi() {
    int provided = 0;
    APQ_MPI(MPI_Init_thread, nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    validate(provided >= MPI_THREAD_FUNNELED, ErrorKind::environment,
             "the MPI library gives thread level {} (FUNNELED is needed)", provided);
    APQ_MPI(MPI_Comm_dup, MPI_COMM_WORLD, &world_);
    APQ_MPI(MPI_Comm_set_errhandler, world_, MPI_ERRORS_RETURN);
    APQ_MPI(MPI_Comm_rank, world_, &rank_);
    APQ_MPI(MPI_Comm_size, world_, &size_);
    APQ_MPI(MPI_Comm_split_type, world_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node_);
    APQ_MPI(MPI_Comm_set_errhandler, node_, MPI_ERRORS_RETURN);
    APQ_MPI(MPI_Comm_rank, node_, &node_rank_);
    APQ_MPI(MPI_Comm_size, node_, &node_size_);
    make_window();
    reset_counter();
  }

  ~Mpi() override {
    for (Outgoing& message : outgoing_)
      MPI_Waitall(as_int(message.requests.size()), message.requests.data(), MPI_STATUSES_IGNORE);
    for (MPI_Win& shared : shared_) MPI_Win_free(&shared);
    if (window_ != MPI_WIN_NULL) MPI_Win_free(&window_);
    MPI_Comm_free(&node_);
    MPI_Comm_free(&world_);
    MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void barrier() override {
    const watchdog::Waiting waiting;
    APQ_MPI(MPI_Barrier, world_);
  }

  void broadcast(Bytes& bytes, int root) override {
    const watchdog::Waiting waiting;
    std::uint64_t size = bytes.size();
    APQ_MPI(MPI_Bcast, &size, 1, MPI_UINT64_T, root, world_);
    bytes.resize(size);
    broadcast_content(bytes, root);
  }

  std::vector<Bytes> all_gather(std::span<const std::byte> bytes) override {
    const watchdog::Waiting waiting;
    const std::uint64_t mine = bytes.size();
    std::vector<std::uint64_t> sizes(static_cast<std::size_t>(size_));
    APQ_MPI(MPI_Allgather, &mine, 1, MPI_UINT64_T, sizes.data(), 1, MPI_UINT64_T, world_);
    const std::uint64_t total = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
    return total <= kChunk ? gather_at_once(bytes, sizes, total) : gather_in_turn(bytes, sizes);
  }

  void sum(std::span<float> values) override { sum_all(values, MPI_FLOAT); }
  void sum(std::span<double> values) override { sum_all(values, MPI_DOUBLE); }

  std::int64_t max(std::int64_t value) override {
    const watchdog::Waiting waiting;
    APQ_MPI(MPI_Allreduce, MPI_IN_PLACE, &value, 1, MPI_INT64_T, MPI_MAX, world_);
    return value;
  }

  std::unique_ptr<Later<std::int64_t>> max_later(std::int64_t value) override {
    return std::make_unique<Maximum>(world_, value);
  }

  // The size goes first; messages of one sender and tag do not overtake each other.
  void send(std::span<const std::byte> bytes, int to, int tag) override {
    forget_delivered();
    std::list<Outgoing> started;
    started.push_back({Bytes(bytes.begin(), bytes.end()), bytes.size()});
    Outgoing& message = started.back();
    start(std::as_bytes(std::span(&message.size, 1)), to, tag, message.requests);
    for_each_chunk(std::span<const std::byte>(message.bytes),
                   [&](std::span<const std::byte> part) { start(part, to, tag, message.requests); });
    outgoing_.splice(outgoing_.end(), started);
  }

  Bytes receive(int from, int tag) override {
    const watchdog::Waiting waiting;
    std::uint64_t size = 0;
    APQ_MPI(MPI_Recv, &size, sizeof(size), MPI_BYTE, from, tag, world_, MPI_STATUS_IGNORE);
    Bytes bytes(size);
    for_each_chunk(std::span(bytes), [&](std::span<std::byte> part) {
      APQ_MPI(MPI_Recv, part.data(), as_int(part.size()), MPI_BYTE, from, tag, world_, MPI_STATUS_IGNORE);
    });
    forget_delivered();
    return bytes;
  }

  std::unique_ptr<Later<Bytes>> receive_later(int from, int tag) override {
    return std::make_unique<Incoming>(world_, from, tag);
  }

  // Probing first: the size and the content of a message must come from one sender.
  Message receive_any(int tag) override {
    const watchdog::Waiting waiting;
    MPI_Status status;
    APQ_MPI(MPI_Probe, MPI_ANY_SOURCE, tag, world_, &status);
    return {status.MPI_SOURCE, receive(status.MPI_SOURCE, tag)};
  }
  std::optional<Message> try_receive(int tag) override {
    int here = 0;
    MPI_Status status;
    APQ_MPI(MPI_Iprobe, MPI_ANY_SOURCE, tag, world_, &here, &status);
    if (here == 0) return std::nullopt;
    return Message{status.MPI_SOURCE, receive(status.MPI_SOURCE, tag)};
  }

  // One-sided, so rank 0 need not answer: on one node this is an atomic in shared memory. Between nodes the
  // ranks take turns instead: there rank 0 would answer only when it is next inside an MPI call, and Open MPI
  // 4 with Debian's settings makes no window over TCP at all.
  std::int64_t fetch_add(std::int64_t n) override {
    const watchdog::Waiting waiting;
    if (window_ == MPI_WIN_NULL) return rank_ + size_ * std::exchange(taken_, taken_ + n);
    std::int64_t value = 0;
    APQ_MPI(MPI_Win_lock, MPI_LOCK_SHARED, 0, 0, window_);
    APQ_MPI(MPI_Fetch_and_op, &n, &value, MPI_INT64_T, 0, 0, MPI_SUM, window_);
    APQ_MPI(MPI_Win_unlock, 0, window_);
    return value;
  }

  void reset_counter() override {
    barrier();  // nobody still draws from the old count
    taken_ = 0;
    if (root() && window_ != MPI_WIN_NULL) {
      APQ_MPI(MPI_Win_lock, MPI_LOCK_EXCLUSIVE, 0, 0, window_);
      *counter_ = 0;
      APQ_MPI(MPI_Win_unlock, 0, window_);
    }
    barrier();
  }

  std::span<const std::byte> share(const std::function<std::span<const std::byte>()>& source) override {
    std::span<const std::byte> bytes;
    if (node_rank_ == 0) bytes = source();
    const watchdog::Waiting waiting;
    std::uint64_t size = bytes.size();
    APQ_MPI(MPI_Bcast, &size, 1, MPI_UINT64_T, 0, node_);
    std::byte* memory = nullptr;
    MPI_Win& window = shared_.emplace_back(MPI_WIN_NULL);
    APQ_MPI(MPI_Win_allocate_shared, node_rank_ == 0 ? static_cast<MPI_Aint>(size) : 0, 1, MPI_INFO_NULL,
            node_, &memory, &window);
    MPI_Aint length = 0;
    int unit = 0;
    APQ_MPI(MPI_Win_shared_query, window, 0, &length, &unit, &memory);
    if (node_rank_ == 0) std::ranges::copy(bytes, memory);
    APQ_MPI(MPI_Barrier, node_);
    return {memory, size};
  }

  int node_size() const override { return node_size_; }

  [[noreturn]] void abort(int code) override {
    log::flush();
    MPI_Abort(MPI_COMM_WORLD, code);
    std::_Exit(code);
  }

 private:
  void make_window() {
    if (node_size_ != size_) return;
    const MPI_Aint bytes = root() ? sizeof(std::int64_t) : 0;
    APQ_MPI(MPI_Win_allocate, bytes, sizeof(std::int64_t), MPI_INFO_NULL, world_, &counter_, &window_);
    APQ_MPI(MPI_Win_set_errhandler, window_, MPI_ERRORS_RETURN);
  }

  void broadcast_content(std::span<std::byte> bytes, int root) {
    for_each_chunk(bytes, [&](std::span<std::byte> part) {
      APQ_MPI(MPI_Bcast, part.data(), as_int(part.size()), MPI_BYTE, root, world_);
    });
  }

  std::vector<Bytes> gather_at_once(std::span<const std::byte> bytes, const std::vector<std::uint64_t>& sizes,
                                    std::size_t total) {
    const std::vector<int> counts(sizes.begin(), sizes.end());
    std::vector<int> starts(counts.size());
    std::exclusive_scan(counts.begin(), counts.end(), starts.begin(), 0);
    Bytes all(total);
    APQ_MPI(MPI_Allgatherv, bytes.data(), as_int(bytes.size()), MPI_BYTE, all.data(), counts.data(),
            starts.data(), MPI_BYTE, world_);
    std::vector<Bytes> parts;
    for (std::size_t r = 0; r < counts.size(); ++r)
      parts.emplace_back(all.begin() + starts[r], all.begin() + starts[r] + counts[r]);
    return parts;
  }

  std::vector<Bytes> gather_in_turn(std::span<const std::byte> bytes,
                                    const std::vector<std::uint64_t>& sizes) {
    std::vector<Bytes> parts;
    for (int r = 0; r < size_; ++r) {
      if (r == rank_)
        parts.emplace_back(bytes.begin(), bytes.end());
      else
        parts.emplace_back(sizes[static_cast<std::size_t>(r)]);
      broadcast_content(parts.back(), r);
    }
    return parts;
  }

  template <class T>
  void sum_all(std::span<T> values, MPI_Datatype type) {
    const watchdog::Waiting waiting;
    for_each_chunk(values, [&](std::span<T> part) {
      APQ_MPI(MPI_Allreduce, MPI_IN_PLACE, part.data(), as_int(part.size()), type, MPI_SUM, world_);
    });
  }

  void start(std::span<const std::byte> part, int to, int tag, std::vector<MPI_Request>& requests) {
    APQ_MPI(MPI_Isend, part.data(), as_int(part.size()), MPI_BYTE, to, tag, world_, &requests.emplace_back());
  }

  void forget_delivered() {
    outgoing_.remove_if([](Outgoing& message) {
      int delivered = 0;
      APQ_MPI(MPI_Testall, as_int(message.requests.size()), message.requests.data(), &delivered,
              MPI_STATUSES_IGNORE);
      return delivered != 0;
    });
  }

  MPI_Comm world_ = MPI_COMM_NULL;
  MPI_Comm node_ = MPI_COMM_NULL;  ///< the ranks that share this node's memory
  int rank_ = 0;
  int size_ = 1;
  int node_rank_ = 0;
  int node_size_ = 1;
  std::vector<MPI_Win> shared_;
  MPI_Win window_ = MPI_WIN_NULL;    ///< of the counter; none between nodes
  std::int64_t taken_ = 0;           ///< turns of this rank, where there is none
  std::int64_t* counter_ = nullptr;  ///< in the window; only on rank 0
  std::list<Outgoing> outgoing_;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi() { return std::make_unique<Mpi>(); }

std::string library_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  APQ_MPI(MPI_Get_library_version, text.data(), &length);
  // "Open MPI v4.1.4, package: ..." or "MPICH Version: 4.0.2\n..."
  std::string version(text.data(), static_cast<std::size_t>(length));
  version.erase(std::min(version.find_first_of(",\n"), version.size()));
  if (const auto v = version.find(" v"); v != std::string::npos) version.erase(v + 1, 1);
  return version;
}

}  // namespace apq::comm
