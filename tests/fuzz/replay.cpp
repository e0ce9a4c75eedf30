// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
// Without libFuzzer: runs a parser on the files of a folder, then on mutations of them, the same every time.
//   fuzz_<room>_<name> FOLDER [MUTATIONS]      (default: 2000, or as many as fit into ten seconds)
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "apq/core/random.hpp"
#include "fuzz/parser.hpp"

namespace {

using Bytes = std::vector<std::uint8_t>;

std::string running;  ///< told when the parser ends the process

[[noreturn]] void tell(int signal) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, running.data(), running.size());
  std::signal(signal, SIG_DFL);
  raise(signal);
  _exit(1);
}

Bytes read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A few changes: other bytes, extreme bytes, a piece cut out, doubled or taken from another input.
Bytes mutate(Bytes input, const Bytes& other, apq::RandomStream& random) {
  constexpr std::array<std::uint8_t, 8> kExtreme{0, 1, 0x7f, 0x80, 0xff, '0', '\n', '"'};
  const auto below = [&](std::size_t n) { return static_cast<std::ptrdiff_t>(random.below(n)); };
  for (auto changes = 1 + below(4); changes > 0; --changes) {
    const auto at = below(input.size() + 1);
    const auto length = std::min(1 + below(16), std::ssize(input) - at);
    const auto here = input.begin() + at;
    switch (below(5)) {
      case 0:
        if (length > 0) *here = static_cast<std::uint8_t>(below(256));
        break;
      case 1:
        std::fill_n(here, length, kExtreme[static_cast<std::size_t>(below(kExtreme.size()))]);
        break;
      case 2:
        input.erase(here, below(4) == 0 ? input.end() : here + length);
        break;
      case 3: {
        const Bytes piece(here, here + length);
        input.insert(here, piece.begin(), piece.end());
        break;
      }
      default: {
        const auto from = below(other.size() + 1);
        input.insert(here, other.begin() + from,
                     other.begin() + std::min(from + 1 + below(16), std::ssize(other)));
      }
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  if (argc < 2) return 2;
  std::vector<std::filesystem::path> files(std::filesystem::directory_iterator(argv[1]), {});
  std::ranges::sort(files);
  if (files.empty()) return 2;
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(signal, tell);

  std::vector<Bytes> inputs;
  for (const auto& file : files) {
    running = fmt::format("input: {}\n", file.string());
    inputs.push_back(read(file));
    LLVMFuzzerTestOneInput(inputs.back().data(), inputs.back().size());
  }
  const auto mutations = argc > 2 ? std::stoull(argv[2]) : 2000;
  const auto end = Clock::now() + std::chrono::seconds(10);
  std::uint64_t n = 0;
  for (; n < mutations && Clock::now() < end; ++n) {
    apq::RandomStream random(1, apq::Purpose::test, n);
    const auto pick = [&]() -> const Bytes& { return inputs[random.below(inputs.size())]; };
    const Bytes& input = pick();
    const Bytes mutated = mutate(input, pick(), random);
    running = fmt::format("input: mutation {} of {}\n", n,
                          files[static_cast<std::size_t>(&input - inputs.data())].string());
    LLVMFuzzerTestOneInput(mutated.data(), mutated.size());
  }
  fmt::print("{} files and {} mutations\n", files.size(), n);
}
