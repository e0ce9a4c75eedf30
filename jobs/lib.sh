#!/usr/bin/env bash
# What several scripts of this folder share.

# run_state FOLDER: the state in its status.json (running, done, stopped, failed); nothing when there is none.
run_state() {
  [[ ! -f $1/status.json ]] || sed -n 's/.*"state"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$1/status.json"
}

# Cores of this machine that we may use; two hardware threads are one core.
cores() {
  local real
  real=$(lscpu -p=CORE,SOCKET | grep -v '^#' | sort -u | wc -l)
  echo $((real < $(nproc) ? real : $(nproc)))
}
