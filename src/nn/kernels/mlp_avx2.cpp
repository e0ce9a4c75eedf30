// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#define APQ_KERNELS kMlpAvx2
#define APQ_BLOCK_ROWS 3
#include "nn/kernels/mlp_kernels.inc"
