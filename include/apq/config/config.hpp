// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "apq/data/dataset.hpp"
#include "apq/hw/bitfusion.hpp"
#include "apq/hw/cost_model.hpp"
#include "apq/island/archipelago.hpp"
#include "apq/predictor/predictor.hpp"
#include "apq/search/evolution.hpp"
#include "apq/space/search_space.hpp"
#include "apq/supernet/supernet.hpp"

namespace apq::config {

struct HardwareOptions {
  std::string device = "bitfusion";     ///< bitfusion, or lut: a table of costs
  std::filesystem::path table = {};     ///< of device lut, in the format of either kind of table
  std::string precision = "int8";       ///< rows of the table that are charged: int8 or fp32
  std::string counting = "everything";  ///< everything or apq
  hw::BitFusionOptions bitfusion;
};

struct PairsOptions {
  int fp32 = 300;  ///< (architecture, float accuracy) pairs
  std::int64_t fp32_images = 5000;
  supernet::RecalibrationOptions recalibration;
  int int8 = 40;  ///< (architecture + bits, integer accuracy) pairs
  std::int64_t int8_images = 5000;
  int noise = 0;             ///< int8 pairs that are measured twice
  supernet::QatOptions qat;  ///< of an int8 pair and of a measured elite
};

struct BoundOptions {
  std::string metric = "latency_ms";
  double limit = 1;
};

struct BudgetOptions : BoundOptions {
  std::vector<BoundOptions> also;  ///< key `and`: further limits the same network must meet
};

struct SearchOptions {
  std::string algorithm = "evolution";
  std::string objectives = "budget";  ///< metrics that nsga2 minimises, separated by blanks
  int generations = 100;
  int evaluation_interval = 50;  ///< generations between real evaluations of elites
  int evaluated_elites = 1;      ///< elites measured per island and budget at each such point
  double exploration = 0;        ///< spreads of the ensemble that count as accuracy when those are chosen
  bool random_baseline = true;   ///< measure as many random genomes for comparison
  bool uniform_baseline = true;  ///< and the best genomes of uniform bits
  search::EvolutionOptions evolution;
  island::ArchipelagoOptions islands;
};

struct FinetuneOptions {
  double epochs = 2;         ///< of quantization-aware training for each budget's network
  int candidates = 1;        ///< best measured networks tried per budget; validation picks
  supernet::QatOptions qat;  ///< `steps` follows from epochs
};

/// One run, every key. Defaults are those of the structs.
struct Config {
  std::string name = "run";
  std::uint64_t seed = 1;
  int threads = 1;                 ///< per rank
  double checkpoint_seconds = 60;  ///< interval between checkpoints within a stage
  double watchdog_seconds = 300;   ///< a run without progress for so long is ended; 0 = never
  bool mixed_nodes = false;        ///< ranks may have different instruction sets
  data::DataOptions data;
  space::SpaceOptions space;
  HardwareOptions hardware;
  supernet::TrainOptions supernet;
  PairsOptions pairs;
  predictor::PredictorOptions predictor;
  std::vector<BudgetOptions> budgets;
  SearchOptions search;
  FinetuneOptions finetune;
};

/// Reads a YAML file strictly: unknown, duplicate or wrong-typed key, alias, anchor, tag, value out of range,
/// deep nesting or a huge file are Error(usage), all of them listed, each as "file:line: problem (why) hint"
/// with the allowed keys. `extends: other.yaml` takes another file of the same folder as base; the file then
/// holds differences only. `overrides` are "key.path=value" texts (--set), applied last.
/// `name` defaults to the file's stem.
Config load(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});

/// Every key with its value, unit and one line of meaning, as YAML that `load` accepts.
std::string dump(const Config& config, bool with_comments = true);

/// XXH3 of the dump without comments, 16 hexadecimal digits.
std::string hash(const Config& config);
/// "key=value" lines of everything that changes results, for checkpoints; leaves out name, threads... only
/// what is harmless.
std::string fingerprint(const Config& config);

/// Why a name cannot be the last part of a run folder's path; empty when it can. Letters, digits, '.', '_'
/// and '-', not starting with '.' or '-', at most 100 characters.
std::string folder_name_problem(const std::string& name);

}  // namespace apq::config
