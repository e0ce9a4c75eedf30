// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <filesystem>
#include <string>

namespace apq::report {

/// From transfer_ablation.csv in `folder`, and reference_predictors.csv and transfer_variants.csv beside it:
/// plots/transfer (pairwise accuracy against pairs) and transfer.md, with `setting` (what was learned from
/// and tested on). Returns the headline: the lead of transfer at 100 pairs, and the pairs that transfer and
/// scratch need for 85 %.
std::string write_transfer(const std::filesystem::path& folder, const std::string& setting);

}  // namespace apq::report
