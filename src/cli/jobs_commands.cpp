// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include <algorithm>
#include <memory>

#include "apq/config/config.hpp"
#include "apq/core/error.hpp"
#include "apq/core/process.hpp"
#include "apq/io/files.hpp"
#include "cli/command.hpp"
#include "cli/job_templates.hpp"

namespace apq::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  fs::path config;
  fs::path out;
  std::string site = "default";
  std::vector<std::string> overrides;
};

/// For a shell: nothing in it is expanded.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

fs::path this_program() {
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error);
  validate(!error, ErrorKind::environment, "cannot tell where this program lies ({})", error.message());
  return program;
}

const std::string& site_template(const std::string& site) {
  const auto& all = job_templates();
  const auto named = [&](const std::string& path) {
    return std::find_if(all.begin(), all.end(), [&](const JobTemplate& t) { return t.path == path; });
  };
  const auto own = named("sites/" + site + ".env");
  return (own != all.end() ? own : named("sites/default.env"))->content;
}

void write_jobs(const Options& options) {
  const std::string problem = config::folder_name_problem(options.site);
  validate(problem.empty(), ErrorKind::usage, "cannot use the site name '{}' ({}) choose another with --site",
           options.site, problem);
  config::Config config = config::load(options.config, options.overrides);
  config.data.path = fs::absolute(config.data.path).lexically_normal();  // the jobs run in another folder
  const fs::path out = fs::absolute(options.out.empty() ? fs::path("jobs-" + config.name) : options.out);

  std::vector<JobTemplate> files;
  for (const JobTemplate& file : job_templates())
    if (!file.path.starts_with("sites/")) files.push_back(file);
  files.push_back({"sites/" + options.site + ".env", site_template(options.site)});
  files.push_back({config.name + ".yaml", config::dump(config, false)});
  files.push_back(
      {"run.env", fmt::format("# Written by apq {} jobs init: what the scripts of this folder run.\n"
                              "APQ_SITE=${{APQ_SITE:-{}}}\nAPQ_PROGRAM=${{APQ_PROGRAM:-{}}}\n",
                              version(), options.site, quoted(this_program().string()))});
  for (const JobTemplate& file : files)
    validate(!fs::exists(out / file.path), ErrorKind::usage,
             "{} exists already (it may hold changes of yours) choose another folder with --out",
             (out / file.path).string());
  std::error_code error;
  fs::create_directories(out / "sites", error);
  validate(!error, ErrorKind::io, "cannot create {} ({}) choose another --out", out.string(),
           error.message());
  for (const JobTemplate& file : files) {
    io::write_atomically(out / file.path, file.content);
    if (file.content.starts_with("#!"))
      fs::permissions(out / file.path, fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec,
                      fs::perm_options::add);
  }
  print(fmt::format(
      "{0}: job scripts for site {1}\n"
      "  {0}/sites/{1}.env        partition, account, modules, launcher, binding: look at it first\n"
      "  {0}/search.sbatch --nodes=2 --ntasks-per-node=8 {0}/{2}.yaml\n"
      "  {0}/pipeline.sh {0}/{2}.yaml\n"
      "  {0}/array.sbatch seeds=1-3 {0}/{2}.yaml\n"
      "Runs go to {0}/results, outputs of the jobs to {0}.",
      out.string(), options.site, config.name));
}

}  // namespace

void add_jobs_commands(CLI::App& app, Command& command) {
  CLI::App* jobs = app.add_subcommand("jobs", "Job scripts for a cluster with Slurm");
  jobs->require_subcommand(1);
  auto options = std::make_shared<Options>();
  CLI::App* init = jobs->add_subcommand("init", "Write job scripts for a run into a folder");
  init->add_option("--config", options->config, "Configuration, a YAML file")->required()->type_name("FILE");
  init->add_option("--site", options->site,
                   "Name of the site file, made from the template of that name or the default one")
      ->type_name("NAME");
  init->add_option("--out", options->out,
                   "Folder for the scripts (default: jobs-<name of the configuration>)")
      ->type_name("DIR");
  add_overrides(*init, options->overrides);
  add_examples(*init, {"apq jobs init --site mycluster --config configs/quickstart.yaml",
                       "apq jobs init --site mycluster --config my.yaml --out my-jobs --set seed=2"});
  init->callback(
      [&command, options] { command.action = [options](comm::Communicator&) { write_jobs(*options); }; });
}

}  // namespace apq::cli
