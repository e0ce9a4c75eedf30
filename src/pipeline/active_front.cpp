// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/active_front.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "apq/core/error.hpp"
#include "apq/predictor/predictor.hpp"
#include "apq/search/pareto.hpp"
#include "pipeline/artifacts.hpp"

namespace apq::pipeline {
namespace {

struct Member {
  double predicted = 0, cost = 0;
  std::string genome;
};

std::vector<Member> members_of(const io::CsvTable& table, const std::string& origin,
                               const std::string& budget) {
  const auto name = table.column("budget"), left = table.column("generation_left"),
             predicted = table.column("accuracy_predicted"), cost = table.column("cost"),
             genome = table.column("genome");
  std::vector<Member> members;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const auto& row = table.rows[r];
    if (row[name] == budget && row[left].empty())
      members.push_back({to_number(row[predicted], origin, r), to_number(row[cost], origin, r), row[genome]});
  }
  return members;
}

/// From floor to limit, per unit of cost. What costs less than the floor is as good as what costs that.
double hypervolume_of(const std::vector<Chosen>& front, const hw::CostModel& costs,
                      const search::Budget& budget, double reference) {
  std::vector<search::Individual> within;
  const auto metric = static_cast<std::size_t>(budget.metric);
  for (const Chosen& c : front) {
    search::Individual individual{c.genome, {c.measured, costs.cost(c.genome).values}};
    if (!budget.holds(individual.score)) continue;
    double& cost = individual.score.costs[metric];
    cost = std::max(cost, budget.floor);
    within.push_back(std::move(individual));
  }
  return search::hypervolume(within, budget.metric, reference, budget.limit) / (budget.limit - budget.floor);
}

}  // namespace

std::vector<Chosen> choose_front(const io::CsvTable& front_history, const std::string& origin,
                                 const space::SearchSpace& space, const std::vector<search::Budget>& budgets,
                                 int limits) {
  std::vector<Chosen> front;
  for (std::size_t b = 0; b < budgets.size(); ++b) {
    std::vector<Member> members = members_of(front_history, origin, budgets[b].name);
    std::ranges::sort(members, {}, [](const Member& m) { return std::tie(m.cost, m.genome); });
    for (int k = 1; k <= limits; ++k) {
      const double share = static_cast<double>(k) / limits;
      const double limit = budgets[b].floor + (budgets[b].limit - budgets[b].floor) * share;
      const auto end = std::ranges::upper_bound(members, limit, {}, &Member::cost);
      const auto best = std::max_element(members.begin(), end, [](const Member& a, const Member& other) {
        return a.predicted < other.predicted;
      });
      if (best != end) front.push_back({b, limit, best->predicted, 0, space.from_text(best->genome)});
    }
  }
  return front;
}

FrontFigures figures_of(const std::vector<Chosen>& front, const hw::CostModel& costs,
                        const std::vector<search::Budget>& budgets, double reference) {
  FrontFigures figures;
  figures.best_accuracy.assign(budgets.size(), std::numeric_limits<double>::quiet_NaN());
  std::vector<double> predicted, measured;
  for (const Chosen& c : front) {
    figures.best_accuracy[c.budget] = c.measured;  // limits rise: the last is the budget's own
    if (std::isnan(c.measured)) continue;
    predicted.push_back(c.predicted);
    measured.push_back(c.measured);
  }
  const auto count = static_cast<double>(measured.size());
  for (std::size_t i = 0; i < measured.size(); ++i) {
    figures.mean_accuracy += measured[i] / count;
    figures.mean_error += (predicted[i] - measured[i]) / count;
    figures.mean_absolute_error += std::abs(predicted[i] - measured[i]) / count;
  }
  figures.pairwise_accuracy = predictor::quality(predicted, measured).pairwise_accuracy;
  for (const search::Budget& budget : budgets)
    figures.hypervolume +=
        hypervolume_of(front, costs, budget, reference) / static_cast<double>(budgets.size());
  return figures;
}

}  // namespace apq::pipeline
