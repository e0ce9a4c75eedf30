// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <span>
#include <string>
#include <vector>

#include "apq/core/random.hpp"
#include "apq/search/algorithm.hpp"

/// Migration policies by the names users write. A policy is a file beside this one that defines
/// select_<name> or replace_<name>, and a line here.
#define APQ_SELECTIONS(SELECTION) \
  SELECTION(best)                 \
  SELECTION(diverse)              \
  SELECTION(tournament)

#define APQ_REPLACEMENTS(REPLACEMENT) \
  REPLACEMENT(worst)                  \
  REPLACEMENT(random)                 \
  REPLACEMENT(most_similar)

namespace apq::island {

using Individuals = std::vector<search::Individual>;

using Residents = std::span<const search::Individual>;

/// At most `count` of the residents, who are all within their budget, best first.
using Select = Individuals(Residents residents, int count, RandomStream& random);
/// Who competes for the places of a population: residents (best first) and immigrants, less those whose place
/// an immigrant takes. `metric` orders individuals (search::better).
using Replace = Individuals(const Individuals& residents, std::span<const search::Individual> immigrants,
                            int metric, RandomStream& random);
#define APQ_DECLARE(name) Select select_##name;
APQ_SELECTIONS(APQ_DECLARE)
#undef APQ_DECLARE
#define APQ_DECLARE(name) Replace replace_##name;
APQ_REPLACEMENTS(APQ_DECLARE)
#undef APQ_DECLARE

/// Throw Error(usage) listing the names.
Select* selection_from_name(const std::string& name);
Replace* replacement_from_name(const std::string& name);

/// Number of genes in which two canonical genomes differ: depths, and kernel, width and bits of every block.
int distance(const space::Genome& a, const space::Genome& b);

}  // namespace apq::island
