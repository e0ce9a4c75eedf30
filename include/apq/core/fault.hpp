// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>
#include <string_view>

namespace apq::fault {

/// Faults on demand, for tests: APQ_FAULT=POINT:N:ACTION[@RANK] in the environment, or arm(); several with
/// commas. POINT is the beginning of a point's name ("io" is every system call of an atomic write, "io.fsync"
/// only that one, "all" is any point). The ACTION happens the N-th time this process passes such a point,
/// with N+ every time from then on, on all ranks or on the one named. Actions:
///   kill     SIGKILL to this process
///   freeze   SIGSTOP to this process
///   hang     sleeps for ever
///   slow     sleeps 25 ms
///   throw    Error(internal)
///   diverge  Error(numeric), as training that diverges
///   no_memory  std::bad_alloc, as an allocation that fails
///   EIO, ENOSPC, EDQUOT, EMFILE    the system call fails with this errno
/// Error(usage) for anything else. Points are named where they lie: grep for fault::point.
void arm(const std::string& spec);
void arm_from_environment(int rank);
void disarm();
/// True when an armed fault has happened.
bool happened();

/// Passes a point; returns the errno that the call behind it must fail with, 0 without a fault.
int point(std::string_view name);

}  // namespace apq::fault
