// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/space/layer_spec.hpp"

#include "apq/core/error.hpp"

namespace apq::space {

const char* role_name(LayerRole role) {
  switch (role) {
    case LayerRole::stem:
      return "stem";
    case LayerRole::expand:
      return "expand";
    case LayerRole::depthwise:
      return "depthwise";
    case LayerRole::project:
      return "project";
    case LayerRole::head:
      return "head";
    case LayerRole::classifier:
      return "classifier";
  }
  fail(ErrorKind::internal, "unknown layer role {}", static_cast<int>(role));
}

std::string LayerSpec::shape() const {
  return fmt::format("{} {} -> {}, {}x{}, kernel {}, stride {}, W{}A{}{}", role_name(role), cin, cout, size,
                     size, kernel, stride, weight_bits, activation_bits, residual ? ", residual" : "");
}

std::string LayerSpec::name() const {
  if (block >= 0) return fmt::format("{} of block {}", role_name(role), block);
  if (role == LayerRole::depthwise || role == LayerRole::project)
    return fmt::format("{} of first block", role_name(role));
  return role_name(role);
}

}  // namespace apq::space
