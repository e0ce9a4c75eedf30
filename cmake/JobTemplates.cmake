# The files of jobs/ that "apq jobs init" writes are part of the program, so that it needs no folder to find them in.
set(templates job.sh lib.sh pipeline.sh scaling.sh array.sbatch collect.sbatch finetune.sbatch predictor.sbatch
  search.sbatch supernet.sbatch)
file(GLOB sites RELATIVE ${CMAKE_SOURCE_DIR}/jobs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/jobs/sites/*.env)
set(entries "")
foreach(template IN LISTS templates sites)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/jobs/${template})
  file(READ ${CMAKE_SOURCE_DIR}/jobs/${template} content)
  string(APPEND entries "    {\"${template}\", R\"template(${content})template\"},\n")
endforeach()
set(source ${CMAKE_BINARY_DIR}/job_templates.cpp)
file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
"#include \"cli/job_templates.hpp\"

namespace apq::cli {
const std::vector<JobTemplate>& job_templates() {
  static const std::vector<JobTemplate> templates = {
@entries@  };
  return templates;
}
}  // namespace apq::cli
")
target_sources(apq PRIVATE ${source})
