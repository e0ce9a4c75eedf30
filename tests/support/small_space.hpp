// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include "apq/space/search_space.hpp"

namespace apq::test {

/// Three stages of up to three blocks: large enough to search in, small enough to solve exactly.
inline space::SpaceOptions small_space_options() {
  space::SpaceOptions options;
  options.stem_width = 8;
  options.stages = {
      {8, 2, {1, 2, 3}, {3, 5}, 2, 4}, {16, 2, {2, 3}, {3, 5, 7}, 2, 4}, {16, 1, {1, 3}, {3, 5}, 2, 4}};
  options.bits = {4, 6, 8};
  return options;
}

}  // namespace apq::test
