// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include "cli/command.hpp"

namespace apq::cli {

void add_study_labels(CLI::App& study, Command& command);  ///< study labels

}  // namespace apq::cli
