// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <cstdint>

namespace apq::nn::onednn {

/// Row-major c[m][n] = alpha * op(a)[m][k] * op(b)[k][n] + beta * c, op transposing where asked ('T', 'N').
/// Throws Error(environment) when oneDNN refuses.
void sgemm(char transa, char transb, std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
           const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c,
           std::int64_t ldc);

}  // namespace apq::nn::onednn
