#include <set>

#include "policy/glob.h"
#include "policy/parse_sections.h"

namespace reeve::policy {
namespace {

constexpr FileAccess kAccesses[] = {FileAccess::kRead, FileAccess::kWrite, FileAccess::kCreate};

FileAccessMask ReadAccess(SchemaReader& reader, const YamlNode& node) {
  FileAccessMask mask = 0;
  if (!reader.CheckList(node, "access")) return mask;
  for (const YamlNode& item : node.items) {
    const auto word = reader.Word(item, "access", {"read", "write", "create"}, {"list"});
    if (word) mask |= static_cast<FileAccessMask>(kAccesses[*word]);
  }
  if (node.items.empty()) reader.Error(node, "access must list at least one of read, write, create");
  return mask;
}

void ReadMatch(SchemaReader& reader, const YamlNode& node, FileDirectory& directory) {
  if (!reader.CheckList(node, "match")) return;
  for (const YamlNode& item : node.items) {
    const auto glob = reader.Text(item, "an entry of match");
    if (!glob) continue;
    const std::string_view pattern = std::string_view(*glob).substr(glob->starts_with('!') ? 1 : 0);
    const Status status = CheckPathPattern(pattern);
    if (pattern.starts_with('/')) {
      reader.Error(item, "a pattern of match is below the directory and begins without '/'");
    } else if (!status) {
      reader.Error(item, "pattern '" + *glob + "': " + status.error().message());
    } else {
      directory.match.push_back(*glob);
    }
  }
}

void ReadDirectoryKeys(SchemaReader& reader, const YamlNode& node, TextOf text_of, FileDirectory& directory) {
  const auto find = [&](const char* key) { return SchemaReader::Find(node, key); };
  if (const YamlNode* id = reader.Require(node, "id", "a directory"))
    directory.id = reader.Text(*id, "id").value_or("");
  if (const YamlNode* path = reader.Require(node, "path", "a directory")) {
    directory.path = reader.Path(*path, "path").value_or("/");
  }
  if (const YamlNode* access = reader.Require(node, "access", "a directory")) {
    directory.access = ReadAccess(reader, *access);
  }
  if (const YamlNode* as = find("as")) directory.as = ReadUser(reader, *as, "as");
  if (const YamlNode* match = find("match")) ReadMatch(reader, *match, directory);
  if (const YamlNode* max = find("max-file")) directory.max_file_bytes = reader.Size(*max, "max-file").value_or(0);
  if (const YamlNode* symlinks = find("symlinks")) {
    directory.follows_symlinks_within = reader.Word(*symlinks, "symlinks", {"refuse", "within"}) == 1u;
  }
  if (const YamlNode* type = find("type")) {
    directory.allows_any_type = reader.Word(*type, "type", {"regular", "any"}) == 1u;
    if (directory.allows_any_type && text_of != TextOf::kProfile) {
      reader.Error(*type, "type: any is for profile open only; a directory grants regular files");
    }
  }
  if (const YamlNode* reason = find("reason")) directory.reason = reader.Text(*reason, "reason").value_or("");
}

void ReadDirectory(SchemaReader& reader, const YamlNode& node, TextOf text_of,
                   std::vector<FileDirectory>& directories) {
  const MapSchema schema = {{"id", "path", "access", "as", "match", "max-file", "symlinks", "type", "reason"},
                            {"max-read"}};
  const size_t errors = reader.error_count();
  if (!reader.CheckMap(node, "a directory", schema)) return;
  FileDirectory directory;
  directory.origin = OriginOf(reader, node);
  directory.as.name = "root";
  directory.is_of_profile = node.file == 0;
  ReadDirectoryKeys(reader, node, text_of, directory);
  const bool is_whole_tree = directory.path == "/" && reader.error_count() == errors;
  if (is_whole_tree && directory.reason.empty()) reader.Error(node, "path: / needs a 'reason'");
  directories.push_back(std::move(directory));
}

// `list` in front of what is there.
void ReadDirectories(SchemaReader& reader, const YamlNode& list, const std::string& what, TextOf text_of,
                     std::vector<FileDirectory>& directories) {
  if (!reader.CheckList(list, what)) return;
  std::vector<FileDirectory> below = std::exchange(directories, {});
  std::set<std::string> ids;
  for (const YamlNode& item : list.items) {
    const size_t before = directories.size();
    ReadDirectory(reader, item, text_of, directories);
    if (directories.size() == before) continue;
    const std::string& id = directories.back().id;
    if (!id.empty() && !ids.insert(id).second) reader.Error(item, "directory '" + id + "' stands twice");
  }
  directories.insert(directories.end(), below.begin(), below.end());
}

}  // namespace

void ReadDirectoriesOfPlugin(SchemaReader& reader, const YamlNode& node, TextOf text_of,
                             std::vector<FileDirectory>& directories) {
  ReadDirectories(reader, node, "directories", text_of, directories);
}

void ReadFiles(SchemaReader& reader, const YamlNode& node, TextOf text_of, Policy& policy) {
  if (!reader.CheckMap(node, "files", {{"directories"}, {"roots"}})) return;
  const YamlNode* list = SchemaReader::Find(node, "directories");
  if (list != nullptr) ReadDirectories(reader, *list, "files.directories", text_of, policy.directories);
}

}  // namespace reeve::policy
