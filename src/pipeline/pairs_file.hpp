// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>
#include <vector>

#include "pipeline/context.hpp"

namespace apq::pipeline {

/// Measured pairs with what they are pairs of, for another folder or another machine.
///
///   # apq pairs 1
///   # space=...                       the search space, then the rest of the recipe of the labels
///   # data.hash=0123456789abcdef
///   # by apq 0.1.0+359ee83, configuration 0123456789abcdef
///   kind,accuracy_validation,genome
///   fp32,0.922,k3w80p6.6d6.8|...
///
/// Kinds: fp32; sample and elite with integer accuracy, an elite measured by a search. Equal recipes label a
/// network alike. In a folder the commented lines are pairs.txt, the rows pairs_fp32.csv and pairs_int8.csv.
struct PairsFile {
  struct Row {
    std::string kind;
    double accuracy = 0;
    std::string genome;
  };
  std::vector<std::string> recipe;   ///< key=value
  std::vector<std::string> sources;  ///< apq and configuration that measured them
  std::vector<Row> rows;
};

std::string header_text(const PairsFile& pairs);  ///< the commented lines
std::string pairs_text(const PairsFile& pairs);
/// Error(data) naming origin and line for anything else.
PairsFile parse_pairs(const std::string& text, const std::string& origin);

/// Rows and sources of `more` added. A network that is there already, of the same recipe, gets the mean of
/// its labels.
struct Merged {
  PairsFile pairs;
  int repeated = 0;               ///< labels of a network that had one
  double largest_difference = 0;  ///< between two labels of a network
};
Merged merge(const std::vector<PairsFile>& files);

/// Recipe and source of the labels that this run gives networks of this supernet.
PairsFile label_recipe(const config::Config& config, const space::SearchSpace& space,
                       const std::string& data_hash, const std::string& supernet_hash);
/// pairs.txt, for pairs that this run measured or took over.
void write_recipe(const Context& context, supernet::Supernet& net);
/// Error(data) with what differs unless the folder says that its pairs have the recipe of this configuration;
/// `who` measures: a run, a study.
void require_this_recipe(const fs::path& folder, const Context& context, supernet::Supernet& net,
                         const std::string& who);
/// Is the recipe of this run's input pairs its own, as far as it is known?
bool inputs_have_this_recipe(const Context& context, supernet::Supernet& net);

}  // namespace apq::pipeline
