#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/yaml_reader.h"

// Reads a located tree by a schema: what a scalar means is said by the place where it stands, never guessed. Every
// mistake becomes a diagnostic, reading goes on, and the caller gets nothing in the place of the bad value.

namespace reeve::policy {

// The keys that a map may have.
struct MapSchema {
  std::vector<std::string> known;
  std::vector<std::string> later;  // words of the language that this version does not implement: an error of their own
};

class SchemaReader {
 public:
  // What a tree is: all there is, or one of several layers, which need not say everything by itself.
  enum class Scope : uint8_t { kWhole, kLayer };

  SchemaReader(std::string file, Diagnostics& diagnostics)
      : SchemaReader({std::move(file)}, Scope::kWhole, diagnostics) {}
  // `files` as the nodes count them.
  SchemaReader(std::vector<std::string> files, Scope scope, Diagnostics& diagnostics)
      : files_(std::move(files)), scope_(scope), diagnostics_(diagnostics) {}

  void Error(const YamlNode& at, std::string message);
  // A mistake only when no other layer can mend it.
  void ErrorOfWhole(const YamlNode& at, std::string message);
  // REQUIRES: a node of these files.
  const std::string& FileOf(const YamlNode& node) const { return files_[node.file]; }
  size_t error_count() const { return diagnostics_.size(); }

  // Whether `node` is a map; complains of it, of its unknown keys and of keys without a value. `what` names it for people.
  bool CheckMap(const YamlNode& node, const std::string& what, const MapSchema& schema);
  // The same for a map whose keys are names of the writer's own.
  bool CheckNamedMap(const YamlNode& node, const std::string& what);
  bool CheckList(const YamlNode& node, const std::string& what);
  // The value of a key, or nullptr when it is not there or has none.
  static const YamlNode* Find(const YamlNode& map, std::string_view key);
  // The same, complaining when it is not there.
  const YamlNode* Require(const YamlNode& map, std::string_view key, const std::string& what);
  // The same, unless another layer may have it.
  const YamlNode* RequireOfWhole(const YamlNode& map, std::string_view key, const std::string& what);

  std::optional<std::string> Text(const YamlNode& node, const std::string& what);
  // Words that are themselves a list, each a text.
  std::vector<std::string> Texts(const YamlNode& node, const std::string& what);
  std::optional<bool> Bool(const YamlNode& node, const std::string& what);
  std::optional<int64_t> Integer(const YamlNode& node, const std::string& what, int64_t minimum, int64_t maximum);
  // "512 B", "64 KiB", "1 MiB", "2 GiB".
  std::optional<uint64_t> Size(const YamlNode& node, const std::string& what);
  // "500ms", "60s", "10min", "1h", as milliseconds; at least 1 ms, at most 49 days.
  std::optional<uint32_t> Duration(const YamlNode& node, const std::string& what);
  // A file mode, quoted so that nobody wonders what base it has: "0600".
  std::optional<uint32_t> Mode(const YamlNode& node, const std::string& what);
  // The index of the word in `words`; one of `later` is not supported yet.
  std::optional<size_t> Word(const YamlNode& node, const std::string& what, const std::vector<std::string>& words,
                             const std::vector<std::string>& later = {});
  // An absolute, lexically normal path.
  std::optional<std::string> Path(const YamlNode& node, const std::string& what);

 private:
  bool CheckKeys(const YamlNode& node, const std::string& what, const MapSchema* schema);

  std::vector<std::string> files_;
  Scope scope_;
  Diagnostics& diagnostics_;
};

}  // namespace reeve::policy
