// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/search/scorer.hpp"

#include <utility>

#include "search/genome_set.hpp"

namespace apq::search {

/// One place per key; the newest takes it. Between `look_up` and the evaluation a place names the genome of
/// this call that will fill it.
struct Scorer::Memory {
  static constexpr std::size_t kPlaces = std::size_t{1} << 18;
  struct Place {
    GenomeKey key;
    std::int32_t asked = -1;  ///< index among the genomes of the present call
    Score score;
  };
  std::vector<Place> places{kPlaces};
  Place& place_of(const GenomeKey& key) { return places[key.high & (kPlaces - 1)]; }
  std::vector<GenomeKey> keys;
  std::vector<space::Genome> genomes;  ///< the evaluator is asked for
  std::vector<Score> scores;
  std::vector<std::size_t> from;  ///< of every genome: index into `scores`
};

Scorer::Scorer() : memory_(std::make_unique<Memory>()) {}
Scorer::~Scorer() = default;
Scorer::Scorer(Scorer&&) noexcept = default;

void Scorer::forget() { memory_->places.assign(Memory::kPlaces, {}); }

std::vector<std::vector<Individual>> Scorer::score(Evaluator& evaluator,
                                                   std::vector<std::vector<space::Genome>> batches) {
  Memory& m = *memory_;
  m.genomes.clear();
  m.scores.clear();
  m.from.clear();
  std::vector<std::pair<Memory::Place*, std::size_t>> asked;
  // Known scores stand behind those asked for: index kKnown + i is the i-th of `known`.
  constexpr std::size_t kKnown = std::size_t{1} << 40;
  std::vector<Score> known;
  // The places lie anywhere in a memory larger than the cache: all are asked for before the first is read.
  m.keys.clear();
  for (const auto& batch : batches)
    for (const space::Genome& genome : batch) {
      m.keys.push_back(key_of(genome));
      __builtin_prefetch(&m.place_of(m.keys.back()), 1);
    }
  auto next_key = m.keys.begin();
  for (auto& batch : batches)
    for (space::Genome& genome : batch) {
      const GenomeKey key = *next_key++;
      Memory::Place& place = m.place_of(key);
      if (place.key == key) {
        if (place.asked >= 0) {
          m.from.push_back(static_cast<std::size_t>(place.asked));
        } else {
          m.from.push_back(kKnown + known.size());
          known.push_back(place.score);
        }
        ++remembered_;
        continue;
      }
      place.key = key;
      place.asked = static_cast<std::int32_t>(m.genomes.size());
      asked.emplace_back(&place, m.genomes.size());
      m.from.push_back(m.genomes.size());
      m.genomes.push_back(std::move(genome));  // until the end
    }
  m.scores.resize(m.genomes.size());
  if (!m.genomes.empty()) evaluator.evaluate(m.genomes, m.scores);
  scored_ += static_cast<std::int64_t>(m.genomes.size());
  for (const auto& [place, index] : asked)
    if (place->asked == static_cast<std::int32_t>(index)) {
      place->score = m.scores[index];
      place->asked = -1;
    }
  std::vector<std::vector<Individual>> result;
  std::size_t at = 0;
  for (auto& batch : batches) {
    auto& individuals = result.emplace_back();
    individuals.reserve(batch.size());
    for (space::Genome& genome : batch) {
      const std::size_t from = m.from[at++];
      if (genome.blocks.empty()) genome = std::move(m.genomes[from]);
      individuals.push_back({std::move(genome), from >= kKnown ? known[from - kKnown] : m.scores[from]});
    }
  }
  return result;
}

}  // namespace apq::search
