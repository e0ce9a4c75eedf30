// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/island/policy.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "apq/core/error.hpp"
#include "island/policies/registry.hpp"

namespace apq::island {
namespace {

template <class Function>
struct Policy {
  const char* name;
  Function* function;
};
constexpr Policy<Select> kSelections[] = {
#define APQ_ENTRY(name) {#name, select_##name},
    APQ_SELECTIONS(APQ_ENTRY)
#undef APQ_ENTRY
};
constexpr Policy<Replace> kReplacements[] = {
#define APQ_ENTRY(name) {#name, replace_##name},
    APQ_REPLACEMENTS(APQ_ENTRY)
#undef APQ_ENTRY
};

template <class Policies>
std::vector<std::string> names_of(const Policies& policies) {
  std::vector<std::string> names;
  for (const auto& policy : policies) names.emplace_back(policy.name);
  return names;
}

template <class Policies>
auto find(const Policies& policies, const std::string& name, const char* what) {
  const auto* found = std::ranges::find_if(policies, [&](const auto& policy) { return policy.name == name; });
  validate(found != std::end(policies), ErrorKind::usage,
           "migration {} \"{}\" is unknown (there are {}) choose one of these", what, name,
           fmt::join(names_of(policies), ", "));
  return found->function;
}

}  // namespace

std::vector<std::string> selections() { return names_of(kSelections); }
std::vector<std::string> replacements() { return names_of(kReplacements); }
Select* selection_from_name(const std::string& name) { return find(kSelections, name, "selection"); }
Replace* replacement_from_name(const std::string& name) { return find(kReplacements, name, "replacement"); }

int distance(const space::Genome& a, const space::Genome& b) {
  int differing = 0;
  for (std::size_t s = 0; s < a.depth.size(); ++s) differing += a.depth[s] != b.depth[s];
  for (std::size_t i = 0; i < a.blocks.size(); ++i) {
    const space::BlockGenes &x = a.blocks[i], &y = b.blocks[i];
    differing += (x.kernel != y.kernel) + (x.width != y.width);
    for (int gene = 0; gene < space::kBitGenes; ++gene) differing += x.bits[gene] != y.bits[gene];
  }
  return differing;
}

}  // namespace apq::island
