// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#define APQ_KERNELS kInferenceGeneric
#include "nn/kernels/inference_kernels.inc"
