// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#define APQ_KERNELS(type) k##type##Generic
#define APQ_KERNELS_ISA "generic"
#include "nn/kernels/float_kernels.inc"
