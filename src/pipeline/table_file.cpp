// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The apq authors
#include "pipeline/table_file.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "apq/core/error.hpp"

namespace apq::pipeline {
namespace {

using Json = nlohmann::ordered_json;
using space::LayerKind;
using space::LayerRole;
using space::LayerSpec;

constexpr const char* kFormat = "apq layer table 1";

/// JSON has no NaN and no numbers beyond double, yet tables have them: they become texts, to be reported with
/// the rest instead of ending the reading.
std::string with_quoted_numbers(const std::string& text) {
  std::string result;
  bool in_text = false;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (in_text && c == '\\' && i + 1 < text.size()) {
      result += text.substr(i, 2);
      i += 2;
      continue;
    }
    if (c == '"') in_text = !in_text;
    const bool word = !in_text && (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '+');
    if (!word) {
      result += c;
      ++i;
      continue;
    }
    const std::size_t end = std::min(text.find_first_of(",]} \t\r\n:\"", i), text.size());
    const std::string token = text.substr(i, end - i);
    char* rest = nullptr;
    const double value = std::strtod(token.c_str(), &rest);
    const bool quoted = rest == token.c_str() + token.size() && !std::isfinite(value);
    result += quoted ? '"' + token + '"' : token;
    i = end;
  }
  return result;
}

class TableReader {
 public:
  TableReader(const std::string& origin, std::vector<std::string>& problems)
      : origin_(origin), problems_(&problems) {}

  hw::LayerTable read(const std::string& text) {
    // Keys that stand twice would silently replace each other.
    std::vector<std::set<std::string>> keys;
    const auto check = [&](int, Json::parse_event_t event, Json& parsed) {
      if (event == Json::parse_event_t::object_start) keys.emplace_back();
      if (event == Json::parse_event_t::object_end) keys.pop_back();
      if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
        problem(fmt::format("\"{}\" stands twice", parsed.get<std::string>()));
      return true;
    };
    Json json;
    try {
      json = Json::parse(with_quoted_numbers(text), check);
    } catch (const Json::exception& e) {
      fail(ErrorKind::data, "{} is no table of costs ({}) give a JSON file", origin_, e.what());
    }
    validate(json.is_object() && !json.empty(), ErrorKind::data,
             "{} is no table of costs (no JSON object with content) give a table", origin_);
    return json.contains("format") ? own(json) : published(json);
  }

 private:
  void problem(const std::string& text) { problems_->push_back(origin_ + ": " + text); }

  /// A finite number that is not negative; reports anything else.
  double cost(const Json& json, const char* key, const std::string& where) {
    if (!json.is_object() || !json.contains(key)) {
      problem(fmt::format("{}: {} is missing", where, key));
    } else if (const Json& value = json[key]; !value.is_number()) {
      problem(fmt::format("{}: {} is {} (a finite number is needed)", where, key, value.dump()));
    } else if (value.get<double>() < 0 || !std::isfinite(value.get<double>())) {
      problem(fmt::format("{}: {} is {} (no cost is negative)", where, key, value.dump()));
    } else {
      return value.get<double>();
    }
    return std::numeric_limits<double>::quiet_NaN();
  }

  int whole(const Json& json, const char* key, int min, int max, const std::string& where, bool& ok) {
    if (json.contains(key) && json[key].is_number_integer()) {
      const auto value = json[key].get<std::int64_t>();
      if (value >= min && value <= max) return static_cast<int>(value);
    }
    ok = false;
    problem(fmt::format("{}: {} is {} (a whole number of {} to {} is needed)", where, key,
                        json.contains(key) ? json[key].dump() : "missing", min, max));
    return min;
  }

  void take(hw::LayerTable& table, const hw::LayerRow& row, const std::string& where) {
    const std::string shape = (table.by_role ? std::string("by role ") : "") + identity(table, row.layer);
    if (!seen_.insert(shape).second) problem(fmt::format("{}: its layer stands twice", where));
    table.rows.push_back(row);
  }
  static std::string identity(const hw::LayerTable& table, const LayerSpec& l) {
    return fmt::format("{} {} {} {} {} {} {} {} {}", l.cin, l.cout, l.size, l.kernel, l.stride, l.groups(),
                       l.weight_bits, l.activation_bits,
                       table.by_role ? fmt::format("{} {}", space::role_name(l.role), l.residual) : "");
  }

  static LayerSpec layer(int cin, int cout, int size, int kernel, int stride, int groups) {
    LayerSpec l;
    l.kind = groups > 1 || (kernel > 1 && cin == 1 && cout == 1) ? LayerKind::depthwise
             : kernel > 1                                        ? LayerKind::dense
                                                                 : LayerKind::pointwise;
    l.role = l.kind == LayerKind::depthwise ? LayerRole::depthwise
             : l.kind == LayerKind::dense   ? LayerRole::stem
                                            : LayerRole::expand;
    l.cin = cin;
    l.cout = cout;
    l.size = size;
    l.kernel = kernel;
    l.stride = stride;
    return l;
  }

  /// Factor from the file's unit to ours.
  double unit(const Json& json, const char* key, const std::vector<std::pair<std::string, double>>& units) {
    const Json none;
    const Json& given = json.contains("units") && json["units"].is_object() && json["units"].contains(key)
                            ? json["units"][key]
                            : none;
    std::string names;
    for (const auto& [name, factor] : units) {
      if (given.is_string() && given.get<std::string>() == name) return factor;
      names += (names.empty() ? "" : ", ") + name;
    }
    problem(fmt::format("the unit of {} is {} (known: {})", key, given.is_null() ? "absent" : given.dump(),
                        names));
    return 1;
  }

  hw::LayerTable own(const Json& json) {
    hw::LayerTable table;
    if (json["format"] != kFormat)
      problem(fmt::format("format is {} (\"{}\" is known)", json["format"].dump(), kFormat));
    table.device = text(json, "device");
    const std::string keys = text(json, "keys");
    if (!keys.empty() && keys != "shape" && keys != "role")
      problem(fmt::format("keys is \"{}\" (\"shape\" or \"role\" is needed)", keys));
    table.by_role = keys == "role";
    if (json.contains("containers")) table.int8_containers = text(json, "containers") == "int8";
    if (json.contains("provenance") && json["provenance"].is_object())
      for (const auto& [name, value] : json["provenance"].items())
        table.provenance[name] = value.is_string() ? value.get<std::string>() : value.dump();
    const bool listed = json.contains("layers") && json["layers"].is_array() && !json["layers"].empty();
    if (!listed) problem("layers is missing or empty");
    table.has_energy = false;
    if (listed)
      for (const Json& l : json["layers"]) table.has_energy = table.has_energy || l.contains("energy");
    const double ms = unit(json, "latency", {{"ms", 1}, {"us", 1e-3}, {"s", 1e3}});
    const double mj = table.has_energy ? unit(json, "energy", {{"mJ", 1}, {"uJ", 1e-3}, {"J", 1e3}}) : 1;
    if (json.contains("network")) {
      table.network_ms = json["network"].contains("int8") ? ms * cost(json["network"], "int8", "network") : 0;
      table.float_network_ms =
          json["network"].contains("fp32") ? ms * cost(json["network"], "fp32", "network") : 0;
    }
    for (std::size_t i = 0; listed && i < json["layers"].size(); ++i)
      own_layer(json["layers"][i], fmt::format("layers[{}]", i), ms, mj, table);
    return table;
  }

  void own_layer(const Json& json, const std::string& where, double ms, double mj, hw::LayerTable& table) {
    if (!json.is_object()) return problem(where + " is no object");
    bool ok = true;
    const auto number = [&](const char* key, int min, int max) {
      return whole(json, key, min, max, where, ok);
    };
    hw::LayerRow row;
    const int cin = number("cin", 1, 1 << 20), cout = number("cout", 1, 1 << 20);
    const int size = number("size", 1, 1 << 14), kernel = number("kernel", 1, 64);
    const int stride = number("stride", 1, 16), groups = number("groups", 1, 1 << 20);
    const int weight_bits = number("weight_bits", 2, 32), activation_bits = number("activation_bits", 2, 32);
    row.layer = layer(cin, cout, size, kernel, stride, groups);
    row.layer.weight_bits = weight_bits;
    row.layer.activation_bits = activation_bits;
    if (ok && groups != row.layer.groups())
      problem(fmt::format("{}: groups is {} (1, or cin of a depthwise layer)", where, groups));
    if (table.by_role) ok = role(text(json, "role", where), where, row.layer) && ok;
    row.layer.residual = json.value("residual", false);
    row.cost.latency_ms = ms * cost(json, "latency", where);
    row.cost.energy_mj =
        table.has_energy ? mj * cost(json, "energy", where) : std::numeric_limits<double>::quiet_NaN();
    if (json.contains("spread")) row.spread_ms = ms * cost(json, "spread", where);
    if (json.contains("repeats")) row.repeats = whole(json, "repeats", 0, 1 << 30, where, ok);
    if (ok) take(table, row, where);
  }

  bool role(const std::string& name, const std::string& where, LayerSpec& l) {
    for (int r = 0; r < space::kLayerRoles; ++r)
      if (name == space::role_name(static_cast<LayerRole>(r))) {
        l.role = static_cast<LayerRole>(r);
        if (l.role == LayerRole::classifier) l.kind = LayerKind::linear;
        return true;
      }
    if (!name.empty()) problem(fmt::format("{}: role \"{}\" is unknown", where, name));
    return false;
  }

  std::string text(const Json& json, const char* key, const std::string& where = "") {
    if (json.contains(key) && json[key].is_string()) return json[key].get<std::string>();
    problem(fmt::format("{}{} is missing", where.empty() ? "" : where + ": ", key));
    return "";
  }

  hw::LayerTable published(const Json& json) {
    hw::LayerTable table;
    table.device = "published";
    for (const auto& [key, value] : json.items()) {
      LayerSpec l;
      if (key == "head") {
        l = layer(3, 32, 224, 3, 2, 1);
      } else if (key == "tail") {
        l = layer(320, 1280, 7, 1, 1, 1);
      } else if (!parse_key(key, l)) {
        problem(fmt::format(
            "\"{}\" is no key (\"(cin, cout, size, kernel, stride, padding, groups)-W8A8\" is)", key));
        continue;
      }
      hw::LayerRow row;
      row.layer = l;
      row.cost.latency_ms = cost(value, "latency", key);
      row.cost.energy_mj = cost(value, "energy", key);
      take(table, row, key);
    }
    return table;
  }

  static bool parse_key(const std::string& key, LayerSpec& l) {
    int cin = 0, cout = 0, size = 0, kernel = 0, stride = 0, padding = 0, groups = 0, w = 0, a = 0, end = 0;
    if (std::sscanf(key.c_str(), "(%7d, %7d, %5d, %2d, %2d, %2d, %7d)-W%2dA%2d%n", &cin, &cout, &size,
                    &kernel, &stride, &padding, &groups, &w, &a, &end) != 9 ||
        end != static_cast<int>(key.size()))
      return false;
    l = layer(cin, cout, size, kernel, stride, groups);
    l.weight_bits = w;
    l.activation_bits = a;
    return std::min({cin, cout, size, kernel, stride, groups, w, a}) >= 1 && padding == kernel / 2 &&
           groups == l.groups() && (groups == 1 || cin == cout);
  }

  const std::string& origin_;
  std::vector<std::string>* problems_;
  std::set<std::string> seen_;
};

}  // namespace

hw::LayerTable parse_table(const std::string& text, const std::string& origin,
                           std::vector<std::string>& problems) {
  return TableReader(origin, problems).read(text);
}

std::string table_json(const hw::LayerTable& table) {
  Json json{{"format", kFormat}, {"device", table.device}, {"units", {{"latency", "ms"}}}};
  if (table.has_energy) json["units"]["energy"] = "mJ";
  json["keys"] = table.by_role ? "role" : "shape";
  if (table.int8_containers) json["containers"] = "int8";
  json["network"] = {{"int8", table.network_ms}, {"fp32", table.float_network_ms}};
  json["provenance"] = Json::object();
  for (const auto& [name, value] : table.provenance) json["provenance"][name] = value;
  // A layer a line: a table is read by people too.
  std::string text = json.dump(1);
  text.erase(text.find_last_not_of("\n} ") + 1);
  text += "\n },\n \"layers\": [";
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const hw::LayerRow& row = table.rows[i];
    const LayerSpec& l = row.layer;
    Json line{{"cin", l.cin},       {"cout", l.cout},     {"size", l.size},
              {"kernel", l.kernel}, {"stride", l.stride}, {"groups", l.groups()}};
    line["weight_bits"] = l.weight_bits;
    line["activation_bits"] = l.activation_bits;
    if (table.by_role) {
      line["role"] = space::role_name(l.role);
      line["residual"] = l.residual;
    }
    line["latency"] = row.cost.latency_ms;
    if (table.has_energy) line["energy"] = row.cost.energy_mj;
    if (row.repeats > 0) {
      line["spread"] = row.spread_ms;
      line["repeats"] = row.repeats;
    }
    text += (i ? ",\n  " : "\n  ") + line.dump();
  }
  return text + "\n ]\n}\n";
}

std::string public_table_json(const hw::LayerTable& table) {
  validate(!table.by_role && table.has_energy, ErrorKind::usage,
           "the public format has no place for this table (it needs an energy and has no roles) write the "
           "own one");
  Json json = Json::object();
  for (const hw::LayerRow& row : table.rows) {
    const LayerSpec& l = row.layer;
    json[fmt::format("({}, {}, {}, {}, {}, {}, {})-W{}A{}", l.cin, l.cout, l.size, l.kernel, l.stride,
                     l.kernel / 2, l.groups(), l.weight_bits, l.activation_bits)] = {
        {"energy", row.cost.energy_mj}, {"latency", row.cost.latency_ms}};
  }
  return json.dump(1) + "\n";
}

}  // namespace apq::pipeline
