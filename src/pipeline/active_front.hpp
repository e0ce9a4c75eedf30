// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>
#include <vector>

#include "apq/hw/cost_model.hpp"
#include "apq/io/files.hpp"
#include "apq/search/algorithm.hpp"

namespace apq::pipeline {

/// The network a search would choose at a limit, and what it is worth.
struct Chosen {
  std::size_t budget = 0;
  double limit = 0;
  double predicted = 0;
  double measured = 0;  ///< NaN: it failed
  space::Genome genome;
};

/// Of the networks still on a front (front_history.csv), for each budget and each of `limits` equal steps
/// from its floor to its limit the one of highest prediction within; of equal ones the cheapest, then the
/// first genome. A limit that no network meets is left out. Error(data) for what
/// is no number.
std::vector<Chosen> choose_front(const io::CsvTable& front_history, const std::string& origin,
                                 const space::SearchSpace& space, const std::vector<search::Budget>& budgets,
                                 int limits);

/// How good a measured front is.
struct FrontFigures {
  /// Mean over budgets of: area dominated above the reference accuracy, from the floor to the limit, per unit
  /// of cost. So it is the mean accuracy above the reference (a fraction) of the best network at a cost.
  double hypervolume = 0;
  double mean_accuracy = 0;           ///< of the chosen networks, one per limit
  std::vector<double> best_accuracy;  ///< of the network chosen at each budget's own limit; NaN: none
  double mean_absolute_error = 0;     ///< of the predictions
  double mean_error = 0;              ///< predicted less measured
  double pairwise_accuracy = 0;       ///< of the predictions
};
FrontFigures figures_of(const std::vector<Chosen>& front, const hw::CostModel& costs,
                        const std::vector<search::Budget>& budgets, double reference);

}  // namespace apq::pipeline
