// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apq/nn/network.hpp"

namespace apq::nn {

/// A layer in integers. The input is unsigned 8 bit (signed values are stored plus 128); the weights are
/// signed 8 bit (4- and 6-bit values simply use less of the range); sums are exact 32 bit. Then
///   q = clamp(rint(float(sum * 2^shift + bias) * multiplier[channel]), low, high)
/// with one correctly rounded float product, so that every instruction set gives the same bits. The shift
/// gives the bias a finer unit than the sum, whose own unit is coarse where weights or inputs have few bits.
/// Between layers a value is either the next layer's unsigned input itself, or a number on the 16-bit
/// stream: the linear outputs, whatever a residual connection reads later, and what is pooled.
struct IntegerLayer {
  Kind kind = Kind::pointwise;
  int cin = 0, cout = 0, size = 0, kernel = 1, stride = 1;
  std::vector<std::int8_t> weight;  ///< layouts of ops.hpp, dense
  int shift = 0;
  std::vector<std::int32_t> bias;  ///< includes -input_zero * sum of weights * 2^shift
  std::vector<float> multiplier;   ///< per output channel; of the linear layer: to logits, without clamp

  /// Input:
  ///   q = clamp(rint(value * input_ratio), input_low, input_high) + input_zero
  /// where value is the image (layer 0), the stream, or the stream's sum over the pixels (linear layer); a
  /// layer after an unsigned 8-bit output takes that as it is. Padding is input_zero: 128 where the input is
  /// signed, otherwise 0.
  bool input_from_stream = false;
  float input_ratio = 1;
  std::int32_t input_low = 0, input_high = 255;
  std::int32_t input_zero = 0;
  float input_step = 1;  ///< of one unit of q, for the record

  /// Output: to the 16-bit stream, or straight to the next layer as unsigned 8 bit.
  bool to_stream = false;
  std::int32_t low = 0, high = 255;  ///< clamp of the output
  int residual_from = -1;            ///< stream at the input of that layer is added (saturating to 16 bit)

  int size_out() const { return (size + stride - 1) / stride; }
};

/// A whole network in integers: layer 0 reads the image, the last layer is linear and reads the average over
/// the pixels.
struct IntegerNetwork {
  std::vector<IntegerLayer> layers;
  int input_size = 0, input_channels = 0, classes = 0;

  /// Throws Error(numeric) naming the layer when a number is not finite or a sum could leave 32 bits, and
  /// Error(internal) when shapes or connections do not fit. The executors call it.
  void validate() const;
  /// Input bits and step of each layer as text, one layer per line, for the record.
  std::string describe() const;
};

/// logits [batch][classes] of images x [batch][size][size][channels] by plain loops; the truth.
namespace ref {
void integer_forward(const IntegerNetwork& network, const float* x, int batch, float* logits);
}

/// The same bits, fast: on AVX-512 with VNNI from kernels of our own that do a whole layer, elsewhere (or
/// where ONEDNN_MAX_CPU_ISA or APQ_MAX_ISA say so) from oneDNN int8 primitives. Where the CPU's int8 kernels
/// saturate (no VNNI), weights are split into parts of at most 64, which every instruction set multiplies
/// exactly; the same split keeps sums below 2^24 where a primitive passes them through float.
class IntegerExecutor {
 public:
  /// Keeps a copy of what it needs; throws as IntegerNetwork::validate does.
  explicit IntegerExecutor(const IntegerNetwork& network);
  ~IntegerExecutor();
  /// logits [batch][classes], valid until the next call. The first call for a batch size or a number of
  /// threads prepares the primitives; batches above an internal slice share them.
  const float* forward(const float* x, int batch);
  /// Called in forward before each layer (its index) and after the last (their number), for timing; pooling
  /// belongs to the last layer. Empty: nothing is called.
  void set_observer(std::function<void(int layer)> observer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Multiplies 255 x 127 over 64 channels and random layers through oneDNN, and through our own kernels where
/// they are used, and compares with plain loops; throws Error(environment) when they differ. Returns a line
/// such as "int8 exact (avx512_core_amx, 1 part)".
std::string integer_self_test();
/// "oneDNN 2.6.3".
std::string onednn_version();
/// The instruction set oneDNN uses: "avx512_core_amx".
std::string onednn_isa();

}  // namespace apq::nn
