// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "nn/onednn/gemm.hpp"

#include <oneapi/dnnl/dnnl.h>

#include "apq/core/error.hpp"

namespace apq::nn::onednn {

void sgemm(char transa, char transb, std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
           const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c,
           std::int64_t ldc) {
  const dnnl_status_t status = dnnl_sgemm(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  if (status != dnnl_success)
    fail(ErrorKind::environment, "oneDNN cannot multiply {} x {} x {} matrices (status {})", m, k, n,
         static_cast<int>(status));
}

}  // namespace apq::nn::onednn
