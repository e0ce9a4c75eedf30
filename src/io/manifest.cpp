// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/io/manifest.hpp"

#include <array>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

#include "apq/core/error.hpp"
#include "apq/core/process.hpp"
#include "apq/io/files.hpp"

namespace apq::io {
namespace {

using Json = nlohmann::ordered_json;

void write_json(const std::filesystem::path& path, const Json& json) {
  // A path in a reason need not be valid UTF-8.
  write_atomically(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace

void write_status(const std::filesystem::path& folder, const Status& status) {
  const char* job = std::getenv("SLURM_JOB_ID");
  write_json(folder / "status.json", {{"state", status.state},
                                      {"code", status.code},
                                      {"reason", status.reason},
                                      {"stage", status.stage},
                                      {"job", job ? job : ""}});
}

Status read_status(const std::filesystem::path& folder) {
  const auto path = folder / "status.json";
  if (std::error_code error; !std::filesystem::exists(path, error)) return {};
  try {
    const Json json = Json::parse(read_text(path, 1 << 20));
    return {json.at("state"), json.at("code"), json.at("reason"), json.at("stage")};
  } catch (const Json::exception& error) {
    fail(ErrorKind::io, "cannot read {} ({})", path.string(), error.what());
  }
}

void write_manifest(const std::filesystem::path& folder, const Manifest& manifest) {
  const HostInfo host = host_info();
  write_json(folder / "manifest.json",
             {{"version", version()},
              {"started", utc_now()},
              {"config_hash", manifest.config_hash},
              {"seed", manifest.seed},
              {"ranks", manifest.ranks},
              {"threads", manifest.threads},
              {"hosts", manifest.hosts},
              {"reproducible", manifest.reproducible},
              {"host", {{"name", host.name}, {"cpu", host.cpu}, {"isa", host.isa}, {"cores", host.cores}}},
              {"libraries", manifest.libraries},
              {"config", manifest.config_text}});
}

}  // namespace apq::io
