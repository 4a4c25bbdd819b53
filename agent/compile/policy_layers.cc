#include "agent/compile/policy_layers.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <ranges>

#include "agent/compile/trusted_text.h"
#include "base/sys.h"
#include "policy/yaml_reader.h"

namespace reeve::compile {
namespace {

namespace fs = std::filesystem;
using Problems = std::vector<std::string>;

constexpr char kSuffix[] = ".yaml";
// A file that goes between listing and reading makes all of it be looked at again; this often in a row is no accident.
constexpr int kMaxAttempts = 5;

PolicyFile::State StateOf(const Options& options, const std::string& path) {
  return IsNothing(options.trust, path) ? PolicyFile::State::kSwitchedOff : PolicyFile::State::kRead;
}

Result<std::vector<std::string>> Names(const Options& options, const std::string& directory) {
  if (options.trust == Trust::kOwned) return ListTrusted(directory, "", Listing::kOwnerAdds);
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with('.')) names.push_back(name);
  }
  if (error) return Fail(Error::System(error.value(), "read directory " + directory));
  std::ranges::sort(names);
  return names;
}

Status AddDirectory(const Options& options, const PolicyPlace& place, PolicyLayers& layers) {
  for (const std::string& name : REEVE_TRY(Names(options, place.path))) {
    const std::string path = place.path + "/" + name;
    if (name.ends_with(kSuffix)) {
      layers.files.push_back({path, StateOf(options, path), ""});
    } else if (name.ends_with(".yml")) {
      layers.warnings.push_back(path + ": is not read; the name of a drop-in ends with .yaml");
    }
    if (layers.files.size() > kMaxPolicyFiles)
      return Fail(Code::kTooLarge, place.path + ": more than 256 policy files");
  }
  return {};
}

// Of the files at `drop_ins`, those of one name: the one in the highest directory counts.
void Mask(const std::vector<size_t>& drop_ins, std::vector<PolicyFile>& files) {
  std::map<std::string, std::string> highest;
  for (const size_t index : std::views::reverse(drop_ins)) {
    PolicyFile& file = files[index];
    const auto [holder, is_new] = highest.emplace(fs::path(file.path).filename(), file.path);
    if (is_new) continue;
    file.state = PolicyFile::State::kMasked;
    file.masked_by = holder->second;
  }
}

std::expected<PolicyLayers, Problems> FindFiles(const Options& options) {
  PolicyLayers layers;
  Problems problems;
  std::vector<size_t> drop_ins;
  for (const PolicyPlace& place : PolicyPlaces(options)) {
    if (place.kind == PolicyPlace::Kind::kFile) {
      struct stat status;
      const bool is_absent = place.may_be_absent && ::lstat(place.path.c_str(), &status) != 0 && errno == ENOENT;
      if (!is_absent) layers.files.push_back({place.path, StateOf(options, place.path), ""});
      continue;
    }
    const size_t before = layers.files.size();
    const Status added = AddDirectory(options, place, layers);
    if (!added) problems.push_back(added.error().Within("policy").message());
    for (size_t i = before; i < layers.files.size(); i++) drop_ins.push_back(i);
  }
  Mask(drop_ins, layers.files);
  if (!problems.empty()) return std::unexpected(problems);
  return layers;
}

// Reads what FindFiles found. `has_gone` says that one of the directories' files is not there any more.
Problems ReadTexts(const Options& options, PolicyLayers& layers, bool& has_gone) {
  Problems problems;
  size_t bytes = 0;
  for (const PolicyFile& file : layers.files) {
    if (file.state != PolicyFile::State::kRead) continue;
    Result<std::string> text = ReadText(options.trust, file.path, policy::kMaxYamlBytes);
    if (!text) {
      has_gone = has_gone || text.error().code() == Code::kNotFound;
      problems.push_back(text.error().Within("policy " + file.path).message());
      continue;
    }
    bytes += text->size();
    layers.texts.push_back({file.path, std::move(*text)});
  }
  if (bytes > policy::kMaxPolicyBytes) problems.emplace_back("policy: all files together are larger than 1 MiB");
  return problems;
}

void AddWithTarget(const std::string& path, std::vector<std::string>& paths) {
  paths.push_back(path);
  std::error_code error;
  const fs::path target = fs::canonical(path, error);
  if (!error && target != path && !IsNothing(Trust::kAnybody, path)) paths.push_back(target);
}

}  // namespace

std::vector<PolicyPlace> PolicyPlaces(const Options& options) {
  using Kind = PolicyPlace::Kind;
  std::vector<PolicyPlace> places;
  if (!options.policy_layers.empty()) {
    for (const std::string& path : options.policy_layers) {
      std::error_code error;
      places.push_back({path, fs::is_directory(path, error) ? Kind::kDirectory : Kind::kFile, false});
    }
    return places;
  }
  if (!options.policy.empty()) return {{options.policy, Kind::kFile, false}};
  if (!options.vendor_policy_directory.empty()) places.push_back({options.vendor_policy_directory, Kind::kDirectory});
  places.push_back({options.etc_directory + "/policy.yaml", Kind::kFile});
  places.push_back({options.etc_directory + "/policy.d", Kind::kDirectory});
  places.push_back({options.command_line.run_directory + "/policy.d", Kind::kDirectory});
  return places;
}

std::expected<PolicyLayers, Problems> ReadPolicyLayers(const Options& options) {
  for (int attempt = 1;; attempt++) {
    auto layers = FindFiles(options);
    if (!layers) return layers;
    bool has_gone = false;
    const Problems problems = ReadTexts(options, *layers, has_gone);
    if (problems.empty()) return layers;
    if (!has_gone || attempt == kMaxAttempts) return std::unexpected(problems);
  }
}

std::vector<std::string> PolicyReadPaths(const Options& options) {
  std::vector<std::string> paths;
  for (const PolicyPlace& place : PolicyPlaces(options)) {
    AddWithTarget(place.path, paths);
    if (place.kind != PolicyPlace::Kind::kDirectory) continue;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(place.path, error)) {
      std::error_code unreadable;
      if (entry.is_symlink(unreadable)) AddWithTarget(entry.path(), paths);
    }
  }
  return paths;
}

}  // namespace reeve::compile
