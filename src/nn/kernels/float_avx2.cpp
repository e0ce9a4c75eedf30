// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#define APQ_KERNELS(type) k##type##Avx2
#define APQ_KERNELS_ISA "avx2"
#include "nn/kernels/float_kernels.inc"
