#!/usr/bin/env bash
# What several scripts of this folder share.

# run_state FOLDER: the state in its status.json (running, done, stopped, failed); nothing when there is none.
run_state() {
  [[ ! -f $1/status.json ]] || sed -n 's/.*"state"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$1/status.json"
}

# Cores of this machine that we may use; two hardware threads are one core. nproc heeds OMP_NUM_THREADS unless told not to.
cores() {
  local real may
  real=$(lscpu -p=CORE,SOCKET | grep -v '^#' | sort -u | wc -l)
  may=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
  echo $((real < may ? real : may))
}
