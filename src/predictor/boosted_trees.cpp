// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "predictor/boosted_trees.hpp"

#ifdef APQ_HAS_XGBOOST
#include <xgboost/c_api.h>
#endif

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "apq/core/error.hpp"
#include "apq/core/watchdog.hpp"

namespace apq::predictor {

#ifdef APQ_HAS_XGBOOST

namespace {

constexpr int kMostTrees = 1000, kPatience = 50;

void require(int code) {
  validate(code == 0, ErrorKind::internal, "XGBoost failed ({}) please report it", XGBGetLastError());
}

class Matrix {
 public:
  explicit Matrix(const Table& table) : rows_(table.rows) {
    constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();  // zeros are values
    require(XGDMatrixCreateFromMat(table.values.data(), table.rows, table.values.size() / table.rows,
                                   kMissing, &handle_));
    if (!table.targets.empty())
      require(XGDMatrixSetFloatInfo(handle_, "label", table.targets.data(), table.targets.size()));
  }
  ~Matrix() { XGDMatrixFree(handle_); }
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;
  DMatrixHandle get() const { return handle_; }
  std::size_t rows() const { return rows_; }

 private:
  DMatrixHandle handle_ = nullptr;
  std::size_t rows_;
};

class Booster {
 public:
  explicit Booster(const Matrix& training) {
    const DMatrixHandle data = training.get();
    require(XGBoosterCreate(&data, 1, &handle_));
  }
  ~Booster() { XGBoosterFree(handle_); }
  Booster(const Booster&) = delete;
  Booster& operator=(const Booster&) = delete;

  void set(const char* name, const std::string& value) {
    require(XGBoosterSetParam(handle_, name, value.c_str()));
  }
  void add_tree(int index, const Matrix& training) {
    require(XGBoosterUpdateOneIter(handle_, index, training.get()));
  }
  /// By the first `trees`.
  std::vector<double> predict(int trees, const Matrix& rows) const {
    const std::string how = R"({"type": 0, "training": false, "iteration_begin": 0, "iteration_end": )" +
                            std::to_string(trees) + R"(, "strict_shape": false})";
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* values = nullptr;
    require(XGBoosterPredictFromDMatrix(handle_, rows.get(), how.c_str(), &shape, &dimensions, &values));
    return {values, values + rows.rows()};
  }

 private:
  BoosterHandle handle_ = nullptr;
};

}  // namespace

bool has_boosted_trees() { return true; }

std::vector<double> predict_with_boosted_trees(const Table& training, const Table& held_out,
                                               const Table& wanted, std::uint64_t seed) {
  const Matrix train(training), judge(held_out), ask(wanted);
  Booster booster(train);
  const double mean = std::accumulate(training.targets.begin(), training.targets.end(), 0.0) /
                      static_cast<double>(training.rows);
  const std::pair<const char*, std::string> parameters[] = {{"objective", "reg:squarederror"},
                                                            {"base_score", std::to_string(mean)},
                                                            {"tree_method", "exact"},
                                                            {"eta", "0.1"},
                                                            {"max_depth", "6"},
                                                            {"subsample", "0.8"},
                                                            {"colsample_bytree", "0.9"},
                                                            {"nthread", "1"},
                                                            {"verbosity", "0"},
                                                            {"seed", std::to_string(seed % 1000000007)}};
  for (const auto& [name, value] : parameters) booster.set(name, value);
  int best = 1;
  double best_error = std::numeric_limits<double>::infinity();
  for (int trees = 1; trees <= kMostTrees && trees - best <= kPatience; ++trees) {
    booster.add_tree(trees - 1, train);
    heartbeat();
    const auto predicted = booster.predict(trees, judge);
    double error = 0;
    for (std::size_t i = 0; i < predicted.size(); ++i)
      error += (predicted[i] - held_out.targets[i]) * (predicted[i] - held_out.targets[i]);
    if (error >= best_error) continue;
    best_error = error;
    best = trees;
  }
  return booster.predict(best, ask);
}

#else

bool has_boosted_trees() { return false; }

std::vector<double> predict_with_boosted_trees(const Table&, const Table&, const Table&, std::uint64_t) {
  fail(ErrorKind::environment, "boosted trees are not in this program (it was built without libxgboost)");
}

#endif

}  // namespace apq::predictor
