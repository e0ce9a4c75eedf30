// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#define APQ_KERNELS kMlpAvx512
#define APQ_BLOCK_ROWS 12
#include "nn/kernels/mlp_kernels.inc"
