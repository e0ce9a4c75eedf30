// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/io/manifest.hpp"

#include <gmock/gmock.h>

#include <cstdlib>

#include "apq/core/process.hpp"
#include "unit/io/scratch.hpp"

namespace apq::io {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

using StatusFile = Scratch;
using ManifestFile = Scratch;

TEST_F(StatusFile, ReadsBackAndIsPlainJson) {
  setenv("SLURM_JOB_ID", "17", 1);
  write_status(folder_, {"stopped", 75, "signal 10 \"quoted\"", "search"});
  unsetenv("SLURM_JOB_ID");
  const Status status = read_status(folder_);
  EXPECT_EQ(status.state, "stopped");
  EXPECT_EQ(status.code, 75);
  EXPECT_EQ(status.reason, "signal 10 \"quoted\"");
  EXPECT_EQ(status.stage, "search");
  EXPECT_EQ(content(folder_ / "status.json"),
            "{\n  \"state\": \"stopped\",\n  \"code\": 75,\n  \"reason\": \"signal 10 \\\"quoted\\\"\",\n"
            "  \"stage\": \"search\",\n  \"job\": \"17\"\n}\n");
}

TEST_F(StatusFile, NoFileIsAnEmptyState) { EXPECT_EQ(read_status(folder_).state, ""); }

TEST_F(StatusFile, AReasonThatIsNotUtf8IsStillWritten) {
  write_status(folder_, {"failed", 5, "cannot write \xff\xfe", "search"});
  EXPECT_THAT(read_status(folder_).reason, HasSubstr("cannot write "));
}

TEST_F(StatusFile, WhatIsNotAStatusIsRefusedByName) {
  for (const std::string& text : {std::string(), std::string("{"), std::string("[1]"),
                                  std::string("{\"state\": 1}"), std::string(100000, '[')}) {
    put(folder_ / "status.json", text);
    const Caught error = caught([&] { read_status(folder_); });
    EXPECT_EQ(error.kind, ErrorKind::io) << text.substr(0, 20);
    EXPECT_THAT(error.text, HasSubstr("status.json"));
  }
}

TEST_F(ManifestFile, SaysWhatMadeTheRun) {
  Manifest manifest;
  manifest.config_text = "seed: 3\nname: x\n";
  manifest.config_hash = "00ff";
  manifest.seed = 18446744073709551615u;
  manifest.ranks = 4;
  manifest.threads = 2;
  manifest.libraries = {{"oneDNN", "2.6.3"}, {"MPI", "Open MPI 4.1.4"}};
  write_manifest(folder_, manifest);
  const HostInfo host = host_info();
  EXPECT_THAT(
      content(folder_ / "manifest.json"),
      AllOf(HasSubstr("\"version\": \"" + std::string(version()) + "\""),
            ContainsRegex("\"started\": \"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\""),
            HasSubstr("\"seed\": 18446744073709551615"), HasSubstr("\"ranks\": 4"),
            HasSubstr("\"threads\": 2"), HasSubstr("\"isa\": \"" + host.isa + "\""),
            HasSubstr("\"name\": \"" + host.name + "\""), HasSubstr("\"oneDNN\": \"2.6.3\""),
            HasSubstr("\"config\": \"seed: 3\\nname: x\\n\""), HasSubstr("\"config_hash\": \"00ff\"")));
}

}  // namespace
}  // namespace apq::io
