// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/core/error.hpp"
#include "pipeline/artifacts.hpp"

namespace apq::pipeline {

namespace {

std::vector<std::int64_t> wide(const std::vector<std::int32_t>& values) {
  return {values.begin(), values.end()};
}

}  // namespace

io::Archive network_archive(const nn::IntegerNetwork& network) {
  io::Archive a;
  a.put("input", std::vector<std::int64_t>{network.input_size, network.input_channels, network.classes,
                                           static_cast<std::int64_t>(network.layers.size())});
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const nn::IntegerLayer& l = network.layers[i];
    const std::string key = fmt::format("layer{:04}.", i);
    a.put(key + "shape",
          std::vector<std::int64_t>{static_cast<std::int64_t>(l.kind), l.cin, l.cout, l.size, l.kernel,
                                    l.stride, l.input_from_stream, l.input_low, l.input_high, l.input_zero,
                                    l.to_stream, l.low, l.high, l.residual_from, l.shift});
    a.put(key + "scale", std::vector<float>{l.input_ratio, l.input_step});
    a.put(key + "weight", std::vector<std::uint8_t>(l.weight.begin(), l.weight.end()));
    a.put(key + "bias", wide(l.bias));
    a.put(key + "multiplier", l.multiplier);
  }
  return a;
}

nn::IntegerNetwork network_from(const io::Archive& archive) {
  const auto input = archive.integers("input");
  validate(input.size() == 4 && input[3] > 0 && input[3] < 10000, ErrorKind::checkpoint,
           "the network file is of another version (its header has {} numbers) save it again", input.size());
  const auto narrow = [](std::int64_t v) { return static_cast<int>(v); };
  nn::IntegerNetwork network;
  network.input_size = narrow(input[0]);
  network.input_channels = narrow(input[1]);
  network.classes = narrow(input[2]);
  for (std::int64_t i = 0; i < input[3]; ++i) {
    const std::string key = fmt::format("layer{:04}.", i);
    const auto s = archive.integers(key + "shape");
    const auto scale = archive.floats(key + "scale");
    validate(s.size() == 15 && s[0] >= 0 && s[0] <= 3 && scale.size() == 2, ErrorKind::checkpoint,
             "layer {} of the network file is malformed (shape has {} numbers) save it again", i, s.size());
    nn::IntegerLayer l;
    l.kind = static_cast<nn::Kind>(s[0]);
    l.cin = narrow(s[1]);
    l.cout = narrow(s[2]);
    l.size = narrow(s[3]);
    l.kernel = narrow(s[4]);
    l.stride = narrow(s[5]);
    l.input_from_stream = s[6] != 0;
    l.input_low = narrow(s[7]);
    l.input_high = narrow(s[8]);
    l.input_zero = narrow(s[9]);
    l.to_stream = s[10] != 0;
    l.low = narrow(s[11]);
    l.high = narrow(s[12]);
    l.residual_from = narrow(s[13]);
    l.shift = narrow(s[14]);
    l.input_ratio = scale[0];
    l.input_step = scale[1];
    const auto weight = archive.bytes(key + "weight");
    l.weight.assign(weight.begin(), weight.end());
    const auto bias = archive.integers(key + "bias");
    l.bias.assign(bias.begin(), bias.end());
    l.multiplier = archive.floats(key + "multiplier");
    network.layers.push_back(std::move(l));
  }
  network.validate();
  return network;
}

}  // namespace apq::pipeline
