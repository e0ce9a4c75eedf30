// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#pragma once

#include <string>
#include <vector>

namespace apq::cli {

/// A file of jobs/, compiled in (cmake/JobTemplates.cmake).
struct JobTemplate {
  std::string path;  ///< relative to jobs/
  std::string content;
};
const std::vector<JobTemplate>& job_templates();

}  // namespace apq::cli
