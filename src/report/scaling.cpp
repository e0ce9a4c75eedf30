// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "apq/report/scaling.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ranges>
#include <set>
#include <tuple>

#include "apq/config/config.hpp"
#include "apq/core/error.hpp"
#include "apq/core/log.hpp"
#include "apq/core/process.hpp"
#include "apq/io/files.hpp"
#include "report/gnuplot.hpp"
#include "report/scaling_model.hpp"

namespace apq::report {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kStages[] = {"supernet", "collect", "predictor", "search", "finetune"};
/// What tables and plots show: three stages, and all five together.
constexpr const char* kPhases[] = {"supernet", "collect", "search", "all"};

json read_json(const fs::path& path) {
  json content = json::parse(io::read_text(path), nullptr, false);
  validate(!content.is_discarded(), ErrorKind::data, "cannot read {} (it is no JSON)", path.string());
  return content;
}

/// One finished run of a study.
struct Run {
  fs::path folder;
  std::string study;  ///< strong or weak
  int nodes = 1, ranks = 1, threads = 1;
  double cores = 1;  ///< of all nodes, that the ranks could use
  std::map<std::string, PhaseWork> stages;
  std::string config_hash, version, cpu;
};

/// Repeats of one point.
struct Point {
  std::string study;
  int threads = 1, ranks = 1, nodes = 1;
  auto operator<=>(const Point&) const = default;
};

struct Measured {
  double median = 0, low = 0, high = 0;
  double spread() const { return median > 0 ? (high - low) / median : 0; }
};

Run read_run(const fs::path& folder) {
  const json point = read_json(folder / "point.json"), manifest = read_json(folder / "manifest.json"),
             stages = read_json(folder / "stages.json");
  const config::Config config = config::load(folder / "config.yaml");
  Run run{folder,
          point.at("study"),
          point.at("nodes"),
          manifest.at("ranks"),
          manifest.at("threads"),
          point.at("cores"),
          {},
          manifest.at("config_hash"),
          manifest.at("version"),
          manifest.at("host").at("cpu")};
  for (const json& stage : stages) {
    const auto count = [&](const char* key) { return stage.value("work", json::object()).value(key, 0.0); };
    PhaseWork work;
    work.name = stage.at("name");
    work.seconds = stage.at("seconds");
    work.sums = count("sums");
    work.sum_bytes = work.sums > 0 ? sizeof(float) * count("summed_values") / work.sums : 0;
    work.items = count("items");
    work.item_seconds = count("item_seconds");
    work.refits = count("refits");
    work.refit_seconds = count("refit_seconds");
    work.members = config.predictor.members;
    work.serial_seconds = count("serial_seconds");
    if (work.name == "search") {
      work.islands = config.search.islands.islands;
      work.batches = work.refits + config.search.random_baseline + config.search.uniform_baseline;
    } else if (work.name == "collect") {
      work.batches = config.pairs.noise > 0 ? 3 : 2;
    }
    run.stages[work.name] = work;
  }
  return run;
}

std::vector<Run> read_runs(const std::vector<fs::path>& from) {
  std::vector<Run> runs;
  for (const fs::path& root : from) {
    validate(fs::is_directory(root), ErrorKind::data, "{} is no folder (of a scaling study)", root.string());
    std::vector<fs::path> folders;
    for (const auto& entry : fs::recursive_directory_iterator(root))
      if (entry.path().filename() == "point.json") folders.push_back(entry.path().parent_path());
    std::sort(folders.begin(), folders.end());
    for (const fs::path& folder : folders) {
      try {
        runs.push_back(read_run(folder));
      } catch (const json::exception& e) {
        fail(ErrorKind::data,
             "{} is no complete run ({}) remove it, or measure it again with jobs/scaling.sh",
             folder.string(), e.what());
      }
    }
  }
  validate(!runs.empty(), ErrorKind::data,
           "no point of a scaling study below {} (a run with a point.json) make some with jobs/scaling.sh",
           fmt::join(from | std::views::transform([](auto& f) { return f.string(); }), ", "));
  return runs;
}

/// The network between two ranks that are farthest apart: of the most nodes.
std::pair<TwoRankSums, std::string> read_network(const std::vector<fs::path>& from) {
  TwoRankSums sums;
  std::string where;
  int most = 0;
  for (const fs::path& root : from)
    for (const auto& entry : fs::directory_iterator(root)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with("network") || !name.ends_with(".json")) continue;
      const json network = read_json(entry.path());
      if (network.value("hosts", 0) <= most) continue;
      most = network.at("hosts");
      sums = network.at("seconds_of_sum_by_bytes").get<TwoRankSums>();
      where = most > 1 ? "between two nodes" : "within one node";
    }
  validate(sums.size() >= 2, ErrorKind::data,
           "no measured network below {} (network*.json) make it with mpirun -n 2 apq study network",
           from.front().string());
  return {sums, where};
}

double phase_seconds(const Run& run, const std::string& phase) {
  double seconds = 0;
  for (const auto& [name, stage] : run.stages)
    if (phase == "all" || phase == name) seconds += stage.seconds;
  return seconds;
}

Measured of(const std::vector<const Run*>& runs, const std::string& phase) {
  std::vector<double> seconds;
  for (const Run* run : runs) seconds.push_back(phase_seconds(*run, phase));
  std::sort(seconds.begin(), seconds.end());
  const std::size_t n = seconds.size();
  return {(seconds[(n - 1) / 2] + seconds[n / 2]) / 2, seconds.front(), seconds.back()};
}

Prediction predict_phase(const Run& base, const TwoRankSums& network, const std::string& phase, double ranks,
                         bool weak, double cores) {
  Prediction sum;
  for (const auto& [name, stage] : base.stages)
    if (phase == "all" || phase == name)
      for (const auto& [term, seconds] : predict(stage, network, ranks, weak, cores).terms)
        sum.terms[phase == "all" && term != "compute" ? name + ": " + term : term] += seconds;
  return sum;
}

/// The run with the median of all stages together.
const Run& typical(const std::vector<const Run*>& runs) {
  std::vector<const Run*> sorted = runs;
  std::sort(sorted.begin(), sorted.end(),
            [](const Run* a, const Run* b) { return phase_seconds(*a, "all") < phase_seconds(*b, "all"); });
  return *sorted[(sorted.size() - 1) / 2];
}

struct Row {
  Point point;
  std::string phase;
  std::size_t repeats = 0;
  double cores = 0;  ///< that work: no more than there are
  bool oversubscribed = false;
  Measured measured;
  double speedup = 0, efficiency = 0;
  std::optional<double> predicted;
};

struct Forecast {
  std::string study, phase;
  double ranks = 0, seconds = 0, efficiency = 0;
  std::string bottleneck;
};

struct Study {
  std::vector<Row> rows;
  std::vector<Forecast> forecasts;
  TwoRankSums network;
  std::string network_where;
};

/// Strong: t1 / (c tc). Weak: t1 / tc, where the work is that of `ranks`, so that ranks without a core of
/// their own count as the cores they have.
double efficiency(const Row& row, const Measured& base, double base_cores, bool weak) {
  if (!weak) return base.median * base_cores / (row.measured.median * row.cores);
  const double share = row.cores / (row.point.ranks * row.point.threads);
  return base.median / (row.measured.median * share);
}

Study gather(const std::vector<Run>& runs, const std::vector<fs::path>& from) {
  Study study;
  std::tie(study.network, study.network_where) = read_network(from);
  std::map<Point, std::vector<const Run*>> points;
  for (const Run& run : runs) points[{run.study, run.threads, run.ranks, run.nodes}].push_back(&run);

  for (const std::string name : {"strong", "weak"}) {
    const bool weak = name == "weak";
    const auto first =
        std::find_if(points.begin(), points.end(), [&](auto& p) { return p.first.study == name; });
    if (first == points.end()) continue;
    const Run& base = typical(first->second);
    const double base_cores = std::min<double>(base.ranks * base.threads, base.cores);
    for (const char* phase : kPhases) {
      if (of(first->second, phase).median <= 0) continue;  // a study without that stage
      for (const auto& [point, repeats] : points) {
        if (point.study != name) continue;
        Row row{point, phase, repeats.size(), 0, false, of(repeats, phase), 0, 0, std::nullopt};
        const double wanted = point.ranks * point.threads, there = repeats.front()->cores;
        row.cores = std::min(wanted, there);
        row.oversubscribed = wanted > there;
        const Measured one = of(first->second, phase);
        row.efficiency = efficiency(row, one, base_cores, weak);
        row.speedup = row.efficiency * row.cores / base_cores;
        // The model knows ranks; what threads do to one rank is measured.
        const auto alone = points.find({name, point.threads, 1, 1});
        if (alone != points.end())
          row.predicted = predict_phase(typical(alone->second), study.network, phase, point.ranks, weak,
                                        there / point.threads)
                              .seconds();
        study.rows.push_back(row);
      }
      if (base.ranks != 1) continue;
      const double one = predict_phase(base, study.network, phase, 1, weak, 0).seconds();
      for (double ranks = 8; ranks <= 4096; ranks *= 2) {
        const Prediction p = predict_phase(base, study.network, phase, ranks, weak, 0);
        study.forecasts.push_back({name, phase, ranks, p.seconds(),
                                   weak ? one / p.seconds() : one / (ranks * p.seconds()), p.bottleneck()});
      }
    }
  }
  return study;
}

std::string short_seconds(double seconds) { return fmt::format("{:.3g}", seconds); }

std::string scaling_csv(const Study& study) {
  io::CsvWriter csv({"study", "phase", "nodes", "ranks", "threads", "cores", "oversubscribed", "repeats",
                     "seconds_median", "seconds_min", "seconds_max", "spread", "speedup", "efficiency",
                     "seconds_predicted"});
  for (const Row& r : study.rows)
    csv.row({r.point.study, r.phase, std::to_string(r.point.nodes), std::to_string(r.point.ranks),
             std::to_string(r.point.threads), io::number(r.cores), r.oversubscribed ? "1" : "0",
             std::to_string(r.repeats), io::number(r.measured.median), io::number(r.measured.low),
             io::number(r.measured.high), io::number(r.measured.spread()), io::number(r.speedup),
             io::number(r.efficiency), r.predicted ? io::number(*r.predicted) : ""});
  return csv.text();
}

std::string prediction_csv(const Study& study) {
  io::CsvWriter csv({"study", "phase", "ranks", "seconds", "efficiency", "largest_loss"});
  for (const Forecast& f : study.forecasts)
    csv.row({f.study, f.phase, io::number(f.ranks), io::number(f.seconds), io::number(f.efficiency),
             f.bottleneck});
  return csv.text();
}

/// What first takes half of the efficiency away, per phase.
std::string first_bottleneck(const Study& study, const std::string& name, const std::string& phase) {
  for (const Forecast& f : study.forecasts)
    if (f.study == name && f.phase == phase && f.efficiency < 0.5)
      return fmt::format("{} (half of the efficiency is lost at {} ranks)", f.bottleneck, f.ranks);
  return "none up to 4,096 ranks";
}

std::string markdown(const Study& study, const std::vector<Run>& runs) {
  std::set<std::string> cpus, versions, hashes;
  for (const Run& run : runs) {
    cpus.insert(run.cpu);
    versions.insert(run.version);
    if (run.study == "strong") hashes.insert(run.config_hash);
  }
  std::string text = fmt::format(
      "# Scaling study\n\n"
      "Runs of apq {} on {}; configuration {} (strong), in full in manifest.json. Written by apq {}.\n"
      "Times are medians over the repeats; spread is (largest - smallest) / median. Efficiency, strong: t1 "
      "c1 / (t c), where\n"
      "c are the cores that work; weak: t1 / t. Ranks beyond the cores (oversubscribed) share them. \"all\" "
      "are the five\n"
      "stages together. Predicted: the model below, from the run on one rank with as many threads.\n",
      fmt::join(versions, ", "), fmt::join(cpus, ", "), fmt::join(hashes, ", "), version());
  for (const std::string name : {"strong", "weak"}) {
    if (std::none_of(study.rows.begin(), study.rows.end(), [&](auto& r) { return r.point.study == name; }))
      continue;
    text += fmt::format("\n## {} scaling\n\n", name == "strong" ? "Strong" : "Weak");
    text +=
        "| phase | nodes | ranks | threads | repeats | time (s) | spread | speed-up | efficiency | predicted "
        "(s) |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for (const Row& r : study.rows)
      if (r.point.study == name)
        text += fmt::format("| {} | {} | {} | {} | {} | {} | {:.1f} % | {:.2f} | {:.2f}{} | {} |\n", r.phase,
                            r.point.nodes, r.point.ranks, r.point.threads, r.repeats,
                            short_seconds(r.measured.median), 100 * r.measured.spread(), r.speedup,
                            r.efficiency, r.oversubscribed ? " (oversubscribed)" : "",
                            r.predicted ? short_seconds(*r.predicted) : "-");
    text += fmt::format("\n![Efficiency](plots/{}_efficiency.png)\n", name);
    if (study.forecasts.empty()) continue;
    text += "\nPredicted efficiency on more ranks, and the first bottleneck:\n\n| phase |";
    for (double ranks = 8; ranks <= 4096; ranks *= 2) text += fmt::format(" {} |", ranks);
    text += " first bottleneck |\n|---|" + std::string("---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|") +
            "---|\n";
    for (const char* phase : kPhases) {
      if (std::none_of(study.forecasts.begin(), study.forecasts.end(),
                       [&](auto& f) { return f.study == name && f.phase == phase; }))
        continue;
      text += fmt::format("| {} |", phase);
      for (const Forecast& f : study.forecasts)
        if (f.study == name && f.phase == phase) text += fmt::format(" {:.2f} |", f.efficiency);
      text += " " + first_bottleneck(study, name, phase) + " |\n";
    }
  }
  const auto [bytes, seconds] = study.network.back();
  text += fmt::format(
      "\n## Model\n\n"
      "Measured on one rank: the compute time of a training step, of one network measured, of the islands, "
      "and what rank 0\n"
      "does alone. Counted: steps, bytes of gradients, networks, batches, refits. Measured {}: "
      "a sum over two\n"
      "ranks takes {:.1f} us for 8 bytes and {:.0f} us for {:.0f} KiB ({:.2f} GB/s). From these:\n\n"
      "- a sum of n bytes over P ranks: ceil(log2 P) x (8-byte sum) + 2 (P - 1) / P x (rest of the two-rank "
      "sum of n bytes);\n"
      "- training: round(steps / P) x (step + sum of gradients + 1/16 agreement);\n"
      "- measuring networks: per batch, ceil(networks / P) x (time of one); rank 0 hands each out in one "
      "message time;\n"
      "- islands: ceil(islands / P) x (time of one); nobody waits for agreements;\n"
      "- fits of the predictor: ceil(members / P) x (time of one member).\n\n"
      "Not in it: noise, networks that take unequally long, contention for a shared network or file system. "
      "One node's\n"
      "figures say nothing about another network: measure that with `jobs/scaling.sh --nodes=2`.\n",
      study.network_where, 1e6 * study.network.front().second, 1e6 * seconds, bytes / 1024,
      bytes / seconds / 1e9);
  return text;
}

/// Efficiency against ranks on one thread, measured with its spread and predicted.
void draw(const Study& study, const std::string& name, const fs::path& folder) {
  const std::string file = name + "_efficiency";
  io::CsvWriter csv({"series", "ranks", "efficiency", "low", "high"});
  std::vector<std::string> curves;
  const char* colours[] = {"#0072b2", "#d55e00", "#009e73", "#8c8c8c"};
  int colour = 0;
  for (const std::string phase : kPhases) {
    for (const Row& r : study.rows)
      if (r.point.study == name && r.phase == phase && r.point.threads == 1)
        csv.row({phase, std::to_string(r.point.ranks), io::number(r.efficiency),
                 io::number(r.efficiency * r.measured.median / r.measured.high),
                 io::number(r.efficiency * r.measured.median / r.measured.low)});
    for (const Forecast& f : study.forecasts)
      if (f.study == name && f.phase == phase)
        csv.row({phase + " model", io::number(f.ranks), io::number(f.efficiency), "", ""});
    const std::string style = fmt::format("lc rgb '{}'", colours[colour++]);
    curves.push_back(fmt::format(
        "'{0}.csv' using (strcol(1) eq '{1}' ? $2 : NaN):3:4:5 with yerrorbars pt 7 {2} title '{1}'", file,
        phase, style));
    curves.push_back(
        fmt::format("'{0}.csv' using (strcol(1) eq '{1} model' ? $2 : NaN):3 with lines dt 2 {2} notitle",
                    file, phase, style));
  }
  csv.save(folder / (file + ".csv"));
  io::write_atomically(
      folder / (file + ".gp"),
      fmt::format(
          "# Makes {0}.svg and {0}.png from {0}.csv:  gnuplot {0}.gp\n"
          "set datafile separator comma\nset logscale x 2\nset xrange [0.8:5000]\nset yrange [0:1.2]\n"
          "set xlabel 'ranks (points: measured with spread; dashed: model)'\nset ylabel '{2} efficiency'\n"
          "set grid lc rgb '#e4e4e4' lt 1\nset key above left horizontal\n"
          "set terminal svg size 760,460 background rgb 'white'\nset output '{0}.svg'\nplot {1}\n"
          "set terminal pngcairo size 1520,920 fontscale 1.7 linewidth 2 pointscale 2\nset output '{0}.png'\n"
          "replot\nset output\n",
          file, fmt::join(curves, ", \\\n     "), name));
  if (const std::string problem = run_gnuplot(folder, file + ".gp"); !problem.empty())
    log::warn("no plot {}: {}", file, problem);
}

}  // namespace

void write_scaling(const std::vector<fs::path>& from, const fs::path& out) {
  const std::vector<Run> runs = read_runs(from);
  const Study study = gather(runs, from);
  std::error_code error;
  fs::create_directories(out / "plots", error);
  validate(!error, ErrorKind::io, "cannot create {} ({}) choose another --out", (out / "plots").string(),
           error.message());
  io::write_atomically(out / "scaling.csv", scaling_csv(study));
  io::write_atomically(out / "prediction.csv", prediction_csv(study));
  for (const std::string name : {"strong", "weak"})
    if (std::any_of(study.rows.begin(), study.rows.end(), [&](auto& r) { return r.point.study == name; }))
      draw(study, name, out / "plots");
  // Provenance: what the first run of the study was made by, with its whole configuration.
  io::write_atomically(out / "manifest.json", io::read_text(runs.front().folder / "manifest.json"));
  io::write_atomically(out / "scaling.md", markdown(study, runs));
}

}  // namespace apq::report
