// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>
#include <vector>

namespace apq {

/// Signals and time limit. Handlers only set a flag; the pipeline looks at it at safe points.
namespace stop {
/// USR1: checkpoint and go on. USR2, TERM, INT: checkpoint and stop; a second TERM or INT ends the process at
/// once with 130. CONT and PIPE are ignored.
void install_handlers();
bool stop_requested();
/// True once per USR1.
bool take_checkpoint_request();
/// A limit on the whole run in seconds from now; 0 = none.
void set_max_time(double seconds);
/// Seconds until the end of the batch job (SLURM_JOB_END_TIME, seconds since 1970) less the time saving may
/// take: a minute, but at most a quarter of what is left. 0: no job, or one without a limit.
double job_seconds_left();
/// Text for status.json: "signal 10", "max-time reached", or empty.
std::string reason();
/// For tests.
void request(const std::string& reason);
void reset();
}  // namespace stop

struct HostInfo {
  std::string name;
  std::string cpu;
  std::string isa;  ///< highest instruction set: avx512_amx, avx512_vnni, avx512, avx2_vnni, avx2, sse
  int cores = 1;    ///< cores this process may run on (affinity mask)
};
HostInfo host_info();
/// Numbers of the CPUs this process may run on, ascending (affinity mask).
std::vector<int> allowed_cpus();
/// Largest resident set size of this process so far, MiB.
double peak_rss_mib();
/// "0.1.0+359ee83": version and, when built in a git checkout, commit.
const char* version();

}  // namespace apq
