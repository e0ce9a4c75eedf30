// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace apq::comm {

using Bytes = std::vector<std::byte>;

/// What was begun and ends later. On several ranks it must be waited for unless the job is aborted.
template <class T>
class Later {
 public:
  virtual ~Later() = default;
  /// Whether it is here; never waits, and lets what is under way go on.
  virtual bool here() = 0;
  /// Waits for it; to be called once.
  virtual T get() = 0;
};

/// The few collective and point-to-point operations the program needs, with full semantics on one process.
/// All calls are made from the main thread (FUNNELED). Collectives must be called by all ranks in the same
/// order. Errors throw Error(environment) with the reason of the MPI library; who cannot go on must abort(),
/// or the other ranks wait for ever. Data may be of any length.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  bool root() const { return rank() == 0; }

  virtual void barrier() = 0;
  /// `bytes` of the root replaces everybody else's; sizes need not be known beforehand.
  virtual void broadcast(Bytes& bytes, int root = 0) = 0;
  /// Every rank gets every rank's bytes, in rank order.
  virtual std::vector<Bytes> all_gather(std::span<const std::byte> bytes) = 0;
  /// Element-wise sum over ranks, in place.
  virtual void sum(std::span<float> values) = 0;
  virtual void sum(std::span<double> values) = 0;
  virtual std::int64_t max(std::int64_t value) = 0;
  /// The same while the ranks go on; collectives are begun in the same order everywhere.
  virtual std::unique_ptr<Later<std::int64_t>> max_later(std::int64_t value) = 0;
  /// Copies and returns at once, so all ranks may send before they receive. Messages of one sender and tag
  /// arrive in order.
  virtual void send(std::span<const std::byte> bytes, int to, int tag) = 0;
  virtual Bytes receive(int from, int tag) = 0;
  /// The same while the caller goes on. Nothing else may be received from this sender with this tag before it
  /// is here.
  virtual std::unique_ptr<Later<Bytes>> receive_later(int from, int tag) = 0;
  /// From whoever's message with this tag comes next; `try_receive` is empty when none is here yet.
  struct Message {
    int from = 0;
    Bytes bytes;
  };
  virtual Message receive_any(int tag) = 0;
  virtual std::optional<Message> try_receive(int tag) = 0;
  /// Value of a counter shared by all ranks before `n` is added to it; it starts at 0 after `reset_counter`
  /// (collective). Used to hand out work to whoever is idle; on one node rank 0 need not take part. When the
  /// ranks are on several nodes they take turns instead: rank r gets r, r + size(), r + 2 size() and so on.
  virtual std::int64_t fetch_add(std::int64_t n = 1) = 0;
  virtual void reset_counter() = 0;
  /// One copy in memory per node of the bytes that `source` returns; it is called on one rank of every node.
  /// The copy lives as long as the communicator. Collective.
  virtual std::span<const std::byte> share(const std::function<std::span<const std::byte>()>& source) = 0;
  /// Ranks on this node, this one included.
  virtual int node_size() const = 0;
  /// Ends the whole job at once.
  [[noreturn]] virtual void abort(int code) = 0;
};

/// One process: rank 0 of 1.
std::unique_ptr<Communicator> make_serial();
/// Initialises MPI (FUNNELED, checked) and wraps MPI_COMM_WORLD; finalises it on destruction. Works without
/// mpirun too, as one rank. Once per process.
std::unique_ptr<Communicator> make_mpi();
/// "Open MPI 4.1.4" and the like.
std::string library_version();

}  // namespace apq::comm
