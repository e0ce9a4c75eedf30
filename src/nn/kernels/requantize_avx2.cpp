// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/kernels/requantize.hpp"
#include "nn/kernels/requantize_kernels.inc"

namespace apq::nn {
const RequantizeKernels kRequantizeAvx2 = {"avx2",     to_u8,    to_stream, from_stream,
                                           from_float, sum_rows, accumulate};
}
