// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#define APQ_KERNELS(type) k##type##Avx512
#define APQ_KERNELS_ISA "avx512"
#include "nn/kernels/float_kernels.inc"
