#!/usr/bin/env bash
# What quickstart.sh and search.sbatch share.

# run_state FOLDER: the state in its status.json (running, done, stopped, failed); nothing when there is none.
run_state() {
  [[ ! -f $1/status.json ]] || sed -n 's/.*"state"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$1/status.json"
}
