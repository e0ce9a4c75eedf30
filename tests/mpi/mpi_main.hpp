// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <gtest/gtest.h>

#include <iostream>
#include <memory>

#include "apq/comm/communicator.hpp"

namespace apq::test {

inline std::unique_ptr<comm::Communicator> world;

/// On other ranks than 0: only what failed.
class Failures : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.failed())
      std::cerr << "rank " << world->rank() << ": " << result.file_name() << ":" << result.line_number()
                << "\n"
                << result.message() << std::endl;
  }
};

/// Every rank runs every test; the program fails everywhere when it fails anywhere.
inline int run_all_tests(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  world = comm::make_mpi();
  if (!world->root()) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new Failures);
  }
  const int failed = static_cast<int>(world->max(RUN_ALL_TESTS()));
  world.reset();
  return failed;
}

}  // namespace apq::test
