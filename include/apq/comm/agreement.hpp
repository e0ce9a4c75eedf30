// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <memory>

#include "apq/comm/communicator.hpp"

namespace apq::comm {

/// Agreements one after the other, each under way until the next is begun, so that no rank waits for another
/// unless that is a whole period behind, as long as all of them poll now and then.
class Agreement {
 public:
  explicit Agreement(Communicator& comm) : comm_(&comm) {}
  /// Begins an agreement on the largest `value` of all ranks; the outcome of the one before, the same on
  /// every rank; 0 when there is none. Collective.
  std::int64_t next(std::int64_t value) {
    const std::int64_t outcome = last();
    under_way_ = comm_->max_later(value);
    return outcome;
  }
  /// Lets what is under way go on: on more than two ranks it takes a step of all of them for each doubling of
  /// their number, and they take none while they compute.
  void poll() {
    if (under_way_) under_way_->here();
  }
  /// Waits for the outcome of what is under way; 0 when nothing is. Collective, and due at the end.
  std::int64_t last() {
    const std::int64_t outcome = under_way_ ? under_way_->get() : 0;
    under_way_.reset();
    return outcome;
  }

 private:
  Communicator* comm_;
  std::unique_ptr<Later<std::int64_t>> under_way_;
};

}  // namespace apq::comm
