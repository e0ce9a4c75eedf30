// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "island/codec.hpp"

#include "apq/island/archipelago.hpp"

namespace apq::island {
namespace {

void write(Writer& writer, const space::Genome& genome) {
  for (const auto depth : genome.depth) writer.put(depth);
  for (const space::BlockGenes& block : genome.blocks) {
    writer.put(block.kernel);
    writer.put(block.width);
    for (const auto bits : block.bits) writer.put(bits);
  }
}

space::Genome read_genome(Reader& reader, const space::SearchSpace& space) {
  space::Genome genome = space.smallest();  // its shape
  for (auto& depth : genome.depth) depth = reader.get<std::uint8_t>();
  for (space::BlockGenes& block : genome.blocks) {
    block.kernel = reader.get<std::uint8_t>();
    block.width = reader.get<std::uint8_t>();
    for (auto& bits : block.bits) bits = reader.get<std::uint8_t>();
  }
  reader.require(space.valid(genome), "a genome is not of this search space");
  return genome;
}

}  // namespace

void write(Writer& writer, const std::vector<search::Individual>& individuals) {
  writer.put(static_cast<std::uint32_t>(individuals.size()));
  for (const search::Individual& individual : individuals) {
    write(writer, individual.genome);
    writer.put(individual.score.accuracy);
    for (const double cost : individual.score.costs) writer.put(cost);
  }
}

std::vector<search::Individual> read(Reader& reader, const space::SearchSpace& space) {
  std::vector<search::Individual> individuals;
  for (auto count = reader.get<std::uint32_t>(); count > 0; --count) {
    search::Individual individual;
    individual.genome = read_genome(reader, space);
    individual.score.accuracy = reader.get<double>();
    for (double& cost : individual.score.costs) cost = reader.get<double>();
    individuals.push_back(std::move(individual));
  }
  return individuals;
}

comm::Bytes encode(const std::vector<search::Individual>& individuals) {
  Writer writer;
  write(writer, individuals);
  return writer.take();
}

std::vector<search::Individual> decode(std::span<const std::byte> bytes, const space::SearchSpace& space) {
  Reader reader(bytes, ErrorKind::environment, "a message of individuals");
  auto individuals = read(reader, space);
  reader.require(reader.done(), "bytes are left over");
  return individuals;
}

}  // namespace apq::island
