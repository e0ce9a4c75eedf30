// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/hw/cost_model.hpp"
#include "apq/island/policy.hpp"
#include "apq/island/topology.hpp"
#include "apq/nn/mlp.hpp"
#include "config/visitor.hpp"

namespace apq::config {
namespace {

Key number(std::string name, double min, double max, std::string unit, std::string meaning) {
  return {.name = std::move(name),
          .meaning = std::move(meaning),
          .unit = std::move(unit),
          .min = min,
          .max = max};
}
Key choice(std::string name, std::vector<std::string> choices, std::string meaning) {
  return {.name = std::move(name), .meaning = std::move(meaning), .choices = std::move(choices)};
}
Key text(std::string name, std::string meaning) {
  return {.name = std::move(name), .meaning = std::move(meaning)};
}
Key flag(std::string name, std::string meaning) { return text(std::move(name), std::move(meaning)); }
Key optional(Key key) {
  key.may_be_empty = true;
  return key;
}
Key harmless(Key key) {
  key.changes_results = false;
  return key;
}

std::vector<std::string> metrics() {
  std::vector<std::string> names;
  for (int m = 0; m < hw::kMetrics; ++m) names.emplace_back(hw::metric_name(static_cast<hw::Metric>(m)));
  return names;
}

void describe(Visitor& v, data::DataOptions& o) {
  v.key(choice("format", data::formats(), "of the images' files"), &o.format);
  v.key(text("path", "folder of the data set, relative to the current directory"), &o.path);
  v.key(
      number("size", 0, 1024, "pixels", "images of a folder are resized to this; 0: all must have one size"),
      &o.size);
  v.key(number("skip_bad", 0, 1e9, "images", "of a folder that may be damaged and are left out; more: error"),
        &o.skip_bad);
  v.key(
      number("validation", 1, 1e8, "images", "held out of the training set; pairs and search see only these"),
      &o.validation);
  v.key(number("train_limit", 0, 1e9, "images", "use only that many for training; 0: all"), &o.train_limit);
  v.key(number("crop", 0, 128, "pixels", "augmentation: random shift by up to this"), &o.crop);
  v.key(flag("flip", "augmentation: mirror half of the images"), &o.flip);
  v.key(number("erase", 0, 1024, "pixels", "augmentation: side of a random square set to the mean; 0: off"),
        &o.erase);
}

void describe(Visitor& v, space::StageOptions& o) {
  v.key(number("width", 1, 4096, "channels", "output of every block"), &o.width);
  v.key(number("stride", 1, 2, "", "of the first block"), &o.stride);
  v.key(number("depths", 1, 32, "blocks", "choices, ascending"), &o.depths);
  v.key(number("kernels", 3, 7, "pixels", "choices, odd, ascending"), &o.kernels);
  v.key(number("min_expand", kPositive, 32, "", "smallest middle width / input channels"), &o.min_expand);
  v.key(number("max_expand", kPositive, 32, "", "largest middle width / input channels"), &o.max_expand);
}

void describe(Visitor& v, space::SpaceOptions& o) {
  v.key(number("input_size", 4, 1024, "pixels", "side of an image"), &o.input_size);
  v.key(number("input_channels", 1, 16, "", "1 grey, 3 colour"), &o.input_channels);
  v.key(number("classes", 2, 1e6, "", "of the data set"), &o.classes);
  v.key(number("stem_width", 1, 4096, "channels", "output of the first convolution"), &o.stem_width);
  v.key(number("stem_stride", 1, 2, "", "of the first convolution"), &o.stem_stride);
  v.key(number("first_width", 0, 4096, "channels", "fixed block without expansion after the stem; 0: none"),
        &o.first_width);
  v.list("stages", "blocks of one output width each, first to last", o.stages,
         [&](space::StageOptions& stage) { describe(v, stage); });
  v.key(number("head_width", 1, 16384, "channels", "1x1 convolution before pooling"), &o.head_width);
  v.key(number("bits", 2, 8, "bits", "choices of every bit-width, ascending"), &o.bits);
  v.key(flag("forbid_k7_dw4", "no kernel 7 together with 4-bit depthwise input"), &o.forbid_k7_dw4);
}

void describe(Visitor& v, hw::BitFusionOptions& o) {
  v.key(number("rows", 1, 4096, "units", "input-channel side of the array"), &o.rows);
  v.key(number("columns", 1, 4096, "units", "output-channel side of the array"), &o.columns);
  v.key(number("frequency_mhz", kPositive, 1e5, "MHz", "clock"), &o.frequency_mhz);
  v.key(number("dram_bits_per_cycle", 1, 1e6, "bits", "memory bandwidth"), &o.dram_bits_per_cycle);
  v.key(number("weight_sram_kib", kPositive, 1e6, "KiB", "buffer for weights"), &o.weight_sram_kib);
  v.key(number("activation_sram_kib", kPositive, 1e6, "KiB", "buffer for inputs"), &o.activation_sram_kib);
  v.key(number("output_sram_kib", kPositive, 1e6, "KiB", "buffer for outputs"), &o.output_sram_kib);
  v.key(number("batch", 1, 65536, "images", "computed together; costs are those of the batch"), &o.batch);
}

void describe(Visitor& v, HardwareOptions& o) {
  v.key(choice("device", {"bitfusion", "lut"}, "cost model of latency and energy; lut: a table of layers"),
        &o.device);
  v.key(harmless(optional(text("table", "file of device lut, e.g. of 'apq lut build'; empty: none"))),
        &o.table);
  v.key(choice("precision", {"int8", "fp32"}, "rows of a measured table that are charged"), &o.precision);
  v.key(choice("counting", {"everything", "apq"}, "layers that are charged; apq: as in the public APQ code"),
        &o.counting);
  v.group("bitfusion", "the spatial array of device bitfusion", [&] { describe(v, o.bitfusion); });
}

void describe(Visitor& v, supernet::TrainOptions& o) {
  v.key(choice("mode", {"sandwich", "progressive"}, "training scheme: BigNAS or once-for-all"), &o.mode);
  v.key(choice("precision", {"fp32", "bf16"},
               "of activations and their gradients in memory and, where CPUs are faster so, in products"),
        &o.precision);
  v.key(number("epochs", kPositive, 1e4, "epochs", "of training, warm-up included"), &o.epochs);
  v.key(number("warmup_epochs", 0, 1e4, "epochs", "largest network only, then channels are sorted"),
        &o.warmup_epochs);
  v.key(number("batch", 1, 4096, "images", "per rank and step"), &o.batch);
  v.key(number("random_subnets", 0, 64, "",
               "sandwich: random sub-networks beside the largest and the smallest"),
        &o.random_subnets);
  v.key(number("learning_rate", 0, 10, "", "peak; linear ramp over the first 2 %, cosine to 0"),
        &o.learning_rate);
  v.key(number("momentum", 0, 0.9999, "", "of stochastic gradient descent"), &o.momentum);
  v.key(number("weight_decay", 0, 1, "", "of convolution weights"), &o.weight_decay);
  v.key(number("label_smoothing", 0, 0.9, "", "probability mass spread over all classes"),
        &o.label_smoothing);
  v.key(number("distillation", 0, 100, "", "weight of the largest network's soft labels"), &o.distillation);
  v.key(number("gradient_clip", 0, 1e9, "", "limit of the gradient's norm; 0: none"), &o.gradient_clip);
}

void describe(Visitor& v, supernet::RecalibrationOptions& o) {
  v.key(number("images", 1, 1e8, "images", "training images for batch statistics"), &o.images);
  v.key(number("batch", 1, 4096, "images", "per step"), &o.batch);
}

/// The fine-tuning stage computes its steps from epochs and so has no such key.
void describe(Visitor& v, supernet::QatOptions& o, bool with_steps) {
  if (with_steps) v.key(number("steps", 0, 1e7, "steps", "of training"), &o.steps);
  v.key(number("batch", 1, 4096, "images", "per rank and step"), &o.batch);
  v.key(number("learning_rate", 0, 10, "", "start; cosine to 0"), &o.learning_rate);
  v.key(number("momentum", 0, 0.9999, "", "of stochastic gradient descent"), &o.momentum);
  v.key(number("weight_decay", 0, 1, "", "of weights"), &o.weight_decay);
  v.key(number("label_smoothing", 0, 0.9, "", "probability mass spread over all classes"),
        &o.label_smoothing);
  v.key(
      number("distillation", 0, 1, "", "weight of the largest network's soft labels; hard labels: the rest"),
      &o.distillation);
  v.key(number("calibration_images", 1, 1e8, "images", "for the ranges of the quantizers"),
        &o.calibration_images);
  v.key(number("batch_statistics_images", 1, 1e8, "images", "for batch statistics before folding"),
        &o.batch_statistics_images);
}

void describe(Visitor& v, PairsOptions& o) {
  v.key(number("fp32", 2, 1e7, "pairs", "architecture with float accuracy"), &o.fp32);
  v.key(number("fp32_images", 0, 1e8, "images", "validation images per pair; 0: all"), &o.fp32_images);
  v.group("recalibration", "batch statistics of a float sub-network", [&] { describe(v, o.recalibration); });
  v.key(number("int8", 2, 1e7, "pairs", "architecture and bits with integer accuracy"), &o.int8);
  v.key(number("int8_images", 0, 1e8, "images", "validation images per pair; 0: all"), &o.int8_images);
  v.key(
      number("noise", 0, 1e7, "pairs", "of int8, measured again with images in another order: noise ceiling"),
      &o.noise);
  v.group("qat", "quantization-aware training of an integer pair and of a measured elite",
          [&] { describe(v, o.qat, true); });
}

void describe(Visitor& v, predictor::PredictorOptions& o) {
  v.key(number("members", 1, 100, "",
               "perceptrons, different in initial weights and order of pairs; their mean counts"),
        &o.members);
  v.key(number("hidden", 1, 8192, "units", "of each of the three hidden layers"), &o.hidden);
  v.key(number("epochs", 1, 1e6, "epochs", "at most; the best held-out epoch is kept"), &o.epochs);
  v.key(number("patience", 1, 1e6, "epochs", "without a better held-out loss before stopping"), &o.patience);
  v.key(number("batch", 1, 65536, "pairs", "per step"), &o.batch);
  v.key(choice("loss", predictor::losses(),
               "trained on; ranking: which of two networks is better, then scaled to accuracies"),
        &o.loss);
  v.key(number("learning_rate", kPositive, 10, "", "of Adam"), &o.learning_rate);
  v.key(number("weight_decay", 0, 1, "", "of all weights; transferred ones decay to where they started"),
        &o.weight_decay);
  v.key(number("held_out", 0.01, 0.9, "share", "of the pairs, kept for stopping and quality figures"),
        &o.held_out);
  v.key(number("trunk_rate", 0, 10, "", "learning rate of transferred weights, relative"), &o.trunk_rate);
  v.key(number("frozen_epochs", 0, 1e6, "epochs", "at the start in which transferred weights do not learn"),
        &o.frozen_epochs);
  v.key(choice("inference", nn::precisions(), "numbers of the hidden products when the search predicts"),
        &o.inference);
  v.key(flag("bits_after_relu",
             "add the bits' part of the first layer after its ReLU, as the public code does"),
        &o.bits_after_relu);
  v.key(flag("transfer", "start the quantization-aware predictor from the float one"), &o.transfer);
}

void describe(Visitor& v, BoundOptions& o) {
  v.key(choice("metric", metrics(), "what is bounded"), &o.metric);
  v.key(number("limit", kPositive, 1e15, "", "hard upper bound, in the metric's unit"), &o.limit);
}

void describe(Visitor& v, BudgetOptions& o) {
  describe(v, static_cast<BoundOptions&>(o));
  v.list("and", "further metrics and limits the same network must meet", o.also,
         [&](BoundOptions& b) { describe(v, b); });
}

void describe(Visitor& v, search::EvolutionOptions& o) {
  v.key(number("population", 2, 1e5, "genomes", "kept per island and budget"), &o.population);
  v.key(number("elites", 1, 1e5, "genomes", "parents, kept unchanged"), &o.elites);
  v.key(number("mutants", 0, 1e5, "genomes", "children by mutation per generation"), &o.mutants);
  v.key(number("crossovers", 0, 1e5, "genomes", "children by crossover per generation"), &o.crossovers);
  v.key(number("mutation_rate", kPositive, 1, "probability", "per block and per stage depth"),
        &o.mutation_rate);
}

void describe(Visitor& v, island::ArchipelagoOptions& o) {
  v.key(number("islands", 1, 65536, "", "hosted by the ranks in turn"), &o.islands);
  v.key(choice("topology", island::topologies(), "who sends migrants to whom"), &o.topology);
  v.key(number("migration_interval", 0, 1e6, "generations",
               "between migrations, and that migrants are on their way; 0: never"),
        &o.migration_interval);
  v.key(
      flag(
          "spread",
          "islands divide the range between a budget and the next lower one, and their limits rise with each "
          "measurement, to find a front"),
      &o.spread);
  v.key(number("migrants", 0, 1e5, "genomes", "sent to each neighbour, per budget"), &o.migrants);
  v.key(choice("selection", island::selections(), "who migrates"), &o.selection);
  v.key(choice("replacement", island::replacements(), "whose place migrants take"), &o.replacement);
  v.key(choice("mode", island::modes(), "asynchronous: nobody waits, and results cannot be reproduced"),
        &o.mode);
}

void describe(Visitor& v, SearchOptions& o) {
  v.key(choice("algorithm", search::algorithms(), "of every population"), &o.algorithm);
  v.key(text("objectives",
             "costs that nsga2 minimises beside accuracy, separated by blanks; budget: that of the budget"),
        &o.objectives);
  v.key(number("generations", 1, 1e6, "generations", "of the evolution"), &o.generations);
  v.key(number("evaluation_interval", 1, 1e6, "generations", "between measurements of elites"),
        &o.evaluation_interval);
  v.key(number("evaluated_elites", 1, 1e5, "genomes", "measured per island and budget each time"),
        &o.evaluated_elites);
  v.key(
      number(
          "exploration", 0, 1e3, "",
          "so many standard deviations of the ensemble count as accuracy when these are chosen; 0: only good "
          "ones are measured, more: uncertain ones too"),
      &o.exploration);
  v.key(flag("random_baseline", "measure as many random genomes for comparison"), &o.random_baseline);
  v.key(
      flag("uniform_baseline", "measure the best genomes whose layers all have the same bits for comparison"),
      &o.uniform_baseline);
  v.group("evolution", "one population", [&] { describe(v, o.evolution); });
  v.group("islands", "populations that exchange elites", [&] { describe(v, o.islands); });
}

void describe(Visitor& v, FinetuneOptions& o) {
  v.key(number("epochs", 0, 1e4, "epochs", "of quantization-aware training of each budget's network"),
        &o.epochs);
  v.key(number("candidates", 1, 1000, "networks", "best measured ones tried per budget; validation picks"),
        &o.candidates);
  v.group("qat", "quantization-aware training", [&] { describe(v, o.qat, false); });
}

}  // namespace

void describe(Visitor& v, Config& c) {
  v.key(harmless(text("name", "of the run; its folder is results/<name>")), &c.name);
  v.key(number("seed", 0, kUnlimited, "", "of every random draw"), &c.seed);
  v.key(harmless(number("threads", 1, 1024, "threads", "per rank")), &c.threads);
  v.key(harmless(number("checkpoint_seconds", 0, 1e6, "s", "between checkpoints within a stage")),
        &c.checkpoint_seconds);
  v.key(
      harmless(number("watchdog_seconds", 0, 1e6, "s",
                      "without any sign of progress (at least 10 x the longest step) end the run; 0: never")),
      &c.watchdog_seconds);
  v.key(harmless(flag("mixed_nodes", "ranks may have different instruction sets; not reproducible")),
        &c.mixed_nodes);
  v.group("data", "images", [&] { describe(v, c.data); });
  v.group("space", "networks to choose from", [&] { describe(v, c.space); });
  v.group("hardware", "what a network costs", [&] { describe(v, c.hardware); });
  v.group("supernet", "training of the once-for-all network", [&] { describe(v, c.supernet); });
  v.group("pairs", "measured networks the accuracy predictors learn from", [&] { describe(v, c.pairs); });
  v.group("predictor", "networks that predict accuracy", [&] { describe(v, c.predictor); });
  v.list("budgets", "one network is searched for each", c.budgets, [&](BudgetOptions& b) { describe(v, b); });
  v.group("search", "evolution on islands", [&] { describe(v, c.search); });
  v.group("finetune", "training of the chosen networks", [&] { describe(v, c.finetune); });
}

}  // namespace apq::config
