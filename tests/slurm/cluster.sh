#!/usr/bin/env bash
# A real Slurm on this machine, as root and without systemd: a controller host "ctl" and four nodes n1 to n4, each in a
# network namespace of its own, so that ports are free, links can be cut, and nothing reaches the world outside.
#   cluster.sh DIR start                    DIR: new, short (it holds unix sockets), readable for all
#   cluster.sh DIR stop                     ends what was started, by recorded process id; logs stay
#   cluster.sh DIR on HOST COMMAND...       runs a command on a host
#   cluster.sh DIR slurmd-stop|slurmd-start HOST
#   cluster.sh DIR link-down|link-up HOST   nobody is told: no FIN, no RST
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
dir=${1:?DIR} action=${2:?ACTION}
shift 2
nodes=(n1 n2 n3 n4)
subnet=10.77.0
export SLURM_CONF=$dir/etc/slurm.conf

fail() { echo "cluster: $*" >&2; exit 1; }
prefix() { cat "$dir/run/prefix"; }
# A zombie is gone, although kill -0 says otherwise.
alive() { [[ -r /proc/$1/stat && $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -c1) == [^ZX] ]]; }
# started PID: when that process began, so that its number is not mistaken for another's.
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
# ours FILE: the process id recorded there, if that process still is the one that was recorded.
record() { echo "$2 $(started "$2")" >"$dir/run/$1"; }
ours() {
  local pid start
  [[ -s $dir/run/$1 ]] || return 1
  read -r pid start <"$dir/run/$1"
  alive "$pid" && [[ $(started "$pid") == "$start" ]] && echo "$pid"
}
# end FILE SIGNAL: signals that process and waits until it is gone.
end() {
  local pid
  pid=$(ours "$1") || return 0
  kill "-$2" "$pid" 2>/dev/null || true
  for _ in {1..100}; do alive "$pid" || return 0; sleep 0.05; done
  kill -KILL "$pid" 2>/dev/null || true
}

on() {
  local host=$1
  shift
  # shellcheck source=/dev/null
  source "$dir/env.sh"
  exec nsenter -t "$(cat "$dir/run/$host.init.pid")" -m -u -i -n -p -r --wdns="$PWD" -- "$@"
}

start_host() {
  local host=$1 address=$2 namespace link own=(--pid --fork --kill-child)
  namespace=$(prefix)-$host link=v$host
  ip netns add "$namespace"
  ip -n "$(prefix)-hub" link add "$link" type veth peer name eth0 netns "$namespace"
  ip -n "$(prefix)-hub" link set "$link" master br0 up
  ip -n "$namespace" addr add "$subnet.$address/24" dev eth0
  ip -n "$namespace" link set eth0 up
  [[ $host != ctl ]] || own=()  # ctl sees the machine's processes, so that slurmctld's pid file holds those pids
  setsid nsenter --net="/run/netns/$namespace" unshare --mount --uts --ipc "${own[@]}" \
    bash "$here/host-init.sh" "$dir" "$host" </dev/null >>"$dir/log/$host.init.log" 2>&1 &
  for _ in {1..100}; do [[ ! -s $dir/run/$host.init.pid ]] || break; sleep 0.05; done
  [[ -s $dir/run/$host.init.pid ]] || fail "host $host did not start: $(cat "$dir/log/$host.init.log")"
  record "$host.init" "$(cat "$dir/run/$host.init.pid")"
}

check_machine() {
  [[ $(id -u) == 0 ]] || fail "needs root (namespaces and mounts)"
  local command
  for command in munged slurmctld slurmd sinfo ip nsenter unshare; do
    command -v "$command" >/dev/null || fail "$command is missing (jobs/install-packages.sh --tests)"
  done
  [[ ${#dir} -le 60 ]] || fail "$dir is too long for unix sockets (at most 60 characters)"
  unshare --net --mount --uts --ipc --pid --fork true 2>/dev/null ||
    fail "this machine allows no namespaces (unshare failed) run it with CAP_SYS_ADMIN"
}

start() {
  check_machine
  mkdir -p "$dir"/{etc,run,log,state,spool,local/here,local/ctl}
  chmod 755 "$dir"
  local host address=0
  for host in "${nodes[@]}"; do mkdir -p "$dir/spool/$host" "$dir/local/$host"; done
  chmod 1777 "$dir"/local/*
  echo "apq$BASHPID" >"$dir/run/prefix"
  ip netns add "$(prefix)-hub" || fail "cannot make a network namespace (see above)"
  ip -n "$(prefix)-hub" link add br0 type bridge
  ip -n "$(prefix)-hub" link set br0 up

  sed "s|@DIR@|$dir|g; s|@SUBNET@|$subnet|g" "$here/slurm.conf.in" >"$dir/etc/slurm.conf"
  { echo "127.0.0.1 localhost"; echo "$subnet.254 ctl"; for host in 1 2 3 4; do echo "$subnet.$host n$host"; done; } >"$dir/etc/hosts"
  echo "export SLURM_CONF=$dir/etc/slurm.conf TMPDIR=$dir/local/here" >"$dir/env.sh"
  start_host ctl 254
  for host in "${nodes[@]}"; do address=$((address + 1)); start_host "$host" "$address"; done

  # One munged for all: a unix socket is reached from every network namespace.
  dd if=/dev/urandom of="$dir/etc/munge.key" bs=1024 count=1 status=none
  chmod 400 "$dir/etc/munge.key"
  munged --force --num-threads=2 --key-file="$dir/etc/munge.key" --socket="$dir/run/munge.sock" --pid-file="$dir/run/munged.pid" \
    --log-file="$dir/log/munged.log" --seed-file="$dir/run/munged.seed" 2>>"$dir/log/munged.log" || fail "munged: $(cat "$dir/log/munged.log")"
  record munged "$(cat "$dir/run/munged.pid")"
  ("$0" "$dir" on ctl slurmctld)
  for host in "${nodes[@]}"; do ("$0" "$dir" on "$host" slurmd -N "$host"); done
  for _ in {1..200}; do
    [[ $("$0" "$dir" on ctl timeout 5 sinfo -h -p main -t idle -o %D 2>/dev/null) != "${#nodes[@]}" ]] || break
    sleep 0.1
  done
  record slurmctld "$(cat "$dir/run/slurmctld.pid" 2>/dev/null || echo 0)"
  [[ $("$0" "$dir" on ctl timeout 5 sinfo -h -p main -t idle -o %D) == "${#nodes[@]}" ]] ||
    fail "the nodes did not become idle: $(tail -n 5 "$dir"/log/slurm*.log)"
}

# A host's first process takes all other processes of the host with it.
stop() {
  local host namespace
  end slurmctld TERM
  for host in "${nodes[@]}"; do end "$host.init" KILL; done
  end ctl.init TERM
  end munged TERM
  for namespace in $(ip netns list | awk -v p="$(prefix)-" 'index($1, p) == 1 { print $1 }'); do ip netns del "$namespace"; done
}

case $action in
  start) start ;;
  stop) stop ;;
  on) on "$@" ;;
  slurmd-stop) on "$1" kill -TERM "$(cat "$dir/run/slurmd.$1.pid")" ;;  # its pid as the host sees it
  slurmd-start) on "$1" slurmd -N "$1" ;;
  link-down) ip -n "$(prefix)-hub" link set "v$1" down ;;
  link-up) ip -n "$(prefix)-hub" link set "v$1" up ;;
  *) fail "unknown action '$action'" ;;
esac
