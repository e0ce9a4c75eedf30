#!/usr/bin/env bash
# First process of one host of cluster.sh: its own network, host name, mounts and, but for ctl, processes.
#   host-init.sh DIR HOST
set -euo pipefail

dir=$1 host=$2
read -r outer _ </proc/self/stat  # /proc is still the machine's: this is our pid as seen from outside
[[ $host == ctl ]] || mount -t proc proc /proc
mount -t tmpfs -o mode=1777,size=1g tmpfs /dev/shm  # Open MPI's segments are named by host and local rank only
mount --bind "$dir/local/$host" "$dir/local/here"   # a node-local disk: the same path everywhere
mount --bind "$dir/etc/hosts" /etc/hosts
hostname "$host"
ip link set lo up
echo "$outer" >"$dir/run/$host.init.new"
mv "$dir/run/$host.init.new" "$dir/run/$host.init.pid"
trap 'kill $!; exit 0' TERM
set +e
while :; do sleep 3600 & wait $!; done  # bash as first process reaps the orphans that slurmstepd leaves
