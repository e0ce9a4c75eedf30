// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#define APQ_KERNELS kMlpGeneric
#define APQ_BLOCK_ROWS 1
#include "nn/kernels/mlp_kernels.inc"
