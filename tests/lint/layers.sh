#!/usr/bin/env bash
# Checks src and include/apq against the table rooms.txt: who includes whom, which third-party headers appear where,
# and the few calls no room may make. Then plants violations in a copy and expects every one to be found.
set -euo pipefail

root=${APQ_SOURCE_DIR:-$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")}

# Prints one line for each broken rule of the tree in folder $1.
violations() {
  (
    cd "$1"
    { cat rooms.txt; echo '--- end of table'; source_lines; } | awk -f <(rules)
    forbidden_calls
  )
}

# Every include line as "file:line:#include ...".
source_lines() { grep -rnE '^[[:space:]]*#[[:space:]]*include' src include/apq || true; }

rules() {
  cat <<'AWK'
function report(text) { print text }
function third_party(header) {
  return header ~ /^(mpi\.h|(oneapi\/)?dnnl|yaml-cpp\/|omp\.h|boost\/|zstd\.h|nlohmann\/|spdlog\/|Random123\/|xxhash\.h|hwloc)/ ||
         header ~ /^(zlib\.h|jpeglib\.h|jerror\.h|png\.h|CLI\/|google\/|onnx|xgboost\/)/
}
# Is the header named in the last column, in this folder?
function allowed(header, file, room,    i, n, parts, entry) {
  n = split(extern[room], parts, "|")
  for (i = 1; i <= n; ++i) {
    split(parts[i], entry, "@")
    if (entry[1] != "" && header ~ ("^" entry[1]) && (entry[2] == "" || index(file, entry[2] "/") == 1)) return 1
  }
  return 0
}
!table_done && /^--- end of table$/ {
  table_done = 1
  for (room in level) {
    n = split(uses[room], used, " ")
    for (i = 1; i <= n; ++i) {
      if (!(used[i] in level)) report("rooms.txt: " room " uses " used[i] ", which is no room")
      else if (level[used[i]] >= level[room]) report("rooms.txt: " room " uses " used[i] ", which is not below it")
      may_use[room, used[i]] = 1
    }
  }
  next
}
!table_done {
  if ($0 !~ /^[a-z]/) next
  split($0, cell, ":")
  room = cell[1]; gsub(/[ \t]/, "", room)
  if (room in level) report("rooms.txt: " room " appears twice")
  level[room] = cell[2] + 0; uses[room] = cell[3]; extern[room] = cell[4]; gsub(/[ \t]/, "", extern[room])
  next
}
{
  file = $0; sub(/:.*/, "", file)
  place = $0; match(place, /^[^:]*:[0-9]*/); place = substr(place, 1, RLENGTH)
  header = $0; sub(/^[^<"]*[<"]/, "", header); sub(/[>"].*/, "", header)
  is_public = file ~ /^include\//
  split(file, folder, "/"); room = is_public ? folder[3] : folder[2]
  if (!(room in level)) { report(place ": folder " room " is not in rooms.txt"); next }
  n = split(header, part, "/")
  if (header ~ /(^|\/)\.\.\//) report(place ": include path " header " climbs with ..")
  else if (part[1] == "apq") {
    if (n < 3 || !(part[2] in level)) report(place ": " header " is in no room")
    else if (part[2] != room && !((room, part[2]) in may_use)) report(place ": " room " may not use " part[2])
  } else if (part[1] in level && n > 1) {
    if (is_public) report(place ": public header includes the private " header)
    else if (part[1] != room) report(place ": " header " is private to " part[1])
  } else if (third_party(header)) {
    if (is_public) report(place ": public header includes " header)
    else if (!allowed(header, file, room)) report(place ": " room " may not include " header " here")
  }
}
AWK
}

forbidden_calls() {
  grep -rnE 'random_device|std::rand\b|static std::mt19937' src include | sed 's/$/  (random numbers come from RandomStream)/'
  local room
  for room in search island space; do
    [[ ! -d src/$room ]] || grep -rnE 'pragma[[:space:]]+omp' "src/$room" | sed 's/$/  (this room starts no threads)/'
  done
  true
}

# plant FILE TEXT: a copy of the tree with TEXT as a further line of FILE must be found wrong, in FILE.
plant() {
  local copy found
  copy=$(mktemp -d)
  cp -r "$root/rooms.txt" "$root/src" "$root/include" "$copy"
  mkdir -p "$(dirname "$copy/$1")"
  printf '%s\n' "$2" >>"$copy/$1"
  found=$(violations "$copy")
  rm -rf "$copy"
  if [[ $found != *"$1"* ]]; then
    echo "self-check: '$2' in $1 was not found"
    return 1
  fi
}

self_check() {
  plant src/space/planted.cpp '#include "apq/search/planted.hpp"' &&
    plant include/apq/core/planted.hpp '#include "apq/space/genome.hpp"' &&
    plant src/search/planted.cpp '#include "apq/predictor/planted.hpp"' &&
    plant src/pipeline/planted.cpp '#include "core/planted.hpp"' &&
    plant src/pipeline/planted.cpp '#include "../core/planted.hpp"' &&
    plant include/apq/nn/planted.hpp '#include "nn/planted.hpp"' &&
    plant include/apq/comm/planted.hpp '#include <mpi.h>' &&
    plant include/apq/nn/planted.hpp '#  include <oneapi/dnnl/dnnl.hpp>' &&
    plant src/comm/planted.cpp '#include <mpi.h>' &&
    plant src/nn/planted.cpp '#include "dnnl.hpp"' &&
    plant src/data/planted.cpp '#include <yaml-cpp/yaml.h>' &&
    plant src/search/planted.cpp '#include <omp.h>' &&
    plant src/search/planted.cpp '#include <xgboost/c_api.h>' &&
    plant src/attic/planted.cpp '#include <vector>' &&
    plant src/search/planted.cpp '#pragma omp parallel for' &&
    plant src/core/planted.cpp 'int planted() { return std::rand(); }' &&
    plant rooms.txt 'planted : 1 : search :' &&
    plant rooms.txt 'planted : 9 : nowhere :'
}

found=$(violations "$root")
if [[ $found ]]; then
  echo "$found"
  echo "layers: $(wc -l <<<"$found") violations of rooms.txt"
  exit 1
fi
self_check
echo "layers: no violation, and every planted one is found"
