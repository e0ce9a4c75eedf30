#!/usr/bin/env bash
# An installed copy is found by find_package(apq) and serves a program of somebody else's.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "${APQ_BUILD_DIR:?set it to the build folder}" --prefix "$work/prefix" >"$work/install.log"
mkdir "$work/user"
cat >"$work/user/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C CXX)
find_package(apq REQUIRED)
add_executable(user user.cpp)
target_link_libraries(user PRIVATE apq::hw)
CMAKE
cat >"$work/user/user.cpp" <<'CPP'
#include <apq/hw/bitfusion.hpp>
#include <cstdio>
int main() {
  apq::space::LayerSpec tail;  // the 320 -> 1280 convolution of the paper's network, 40804 cycles at 500 MHz
  tail.cin = 320;
  tail.cout = 1280;
  tail.size = 7;
  std::printf("%.6f\n", apq::hw::BitFusion().layer(tail).latency_ms);
}
CPP
cmake -S "$work/user" -B "$work/user/build" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/configure.log" 2>&1 || { cat "$work/configure.log"; exit 1; }
cmake --build "$work/user/build" >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log"; exit 1; }
latency=$("$work/user/build/user")
echo "latency $latency ms"
[[ $latency == 0.081608 ]]
"$work/prefix/bin/apq" --version | head -n 1
