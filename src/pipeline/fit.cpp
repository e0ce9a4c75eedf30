// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <cstring>
#include <sstream>

#include "apq/core/error.hpp"
#include "pipeline/context.hpp"

namespace apq::pipeline {
namespace {

/// Every rank sends the members that it trained, one after the other.
void exchange(comm::Communicator& comm, std::vector<std::vector<float>>& members) {
  const auto size = static_cast<std::size_t>(comm.size());
  std::vector<float> mine;
  for (auto m = static_cast<std::size_t>(comm.rank()); m < members.size(); m += size)
    mine.insert(mine.end(), members[m].begin(), members[m].end());
  const std::vector<comm::Bytes> all = comm.all_gather(std::as_bytes(std::span(mine)));
  for (std::size_t m = 0; m < members.size(); ++m) {
    const comm::Bytes& bytes = all[m % size];
    const std::size_t trained = (members.size() - m % size + size - 1) / size;  // by that rank
    members[m].resize(bytes.size() / trained / sizeof(float));
    std::memcpy(members[m].data(), bytes.data() + m / size * members[m].size() * sizeof(float),
                members[m].size() * sizeof(float));
  }
}

}  // namespace

std::vector<predictor::Pair> pairs_of_root(comm::Communicator& comm, const space::SearchSpace& space,
                                           const std::vector<predictor::Pair>& pairs) {
  io::Archive shared;
  if (comm.root()) {
    std::string genomes;
    std::vector<double> accuracy;
    for (const predictor::Pair& pair : pairs) {
      genomes += space.to_text(pair.genome) + '\n';
      accuracy.push_back(pair.accuracy);
    }
    shared.put("genomes", genomes);
    shared.put("accuracy", accuracy);
  }
  broadcast(comm, shared);
  std::vector<predictor::Pair> result;
  std::istringstream genomes(shared.text("genomes"));
  std::string genome;
  for (const double accuracy : shared.doubles("accuracy")) {
    std::getline(genomes, genome);
    result.push_back({space.from_text(genome), accuracy});
  }
  return result;
}

predictor::Quality fit(comm::Communicator& comm, const space::SearchSpace& space,
                       predictor::Predictor& predictor, const std::vector<predictor::Pair>& pairs) {
  return predictor.fit(pairs_of_root(comm, space, pairs),
                       {comm.rank(), comm.size(), [&](auto& members) { exchange(comm, members); }});
}

}  // namespace apq::pipeline
