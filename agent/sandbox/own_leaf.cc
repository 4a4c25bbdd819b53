#include "agent/sandbox/own_leaf.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <sstream>

#include "base/sys.h"

namespace reeve::sandbox {
namespace {

constexpr size_t kMaxControlBytes = 1 << 20;
// No name of a program's leaf begins so (agent/start/run_directory.h).
constexpr const char* kOwnLeaf = "/reeved";

Result<std::set<std::string>> ReadWords(const std::string& path) {
  std::istringstream text(REEVE_TRY(sys::ReadFile(path, kMaxControlBytes)));
  std::set<std::string> words;
  for (std::string word; text >> word;) words.insert(word);
  return words;
}

Status WriteControl(const std::string& path, const std::string& text) {
  const UniqueFd file = REEVE_TRY(sys::Open(path, O_WRONLY));
  return sys::WriteAll(file.get(), AsBytes(text));
}

// By number, and 0 means the writer (cgroups(7)).
Status MoveSelf(const std::string& group) {
  return WriteControl(group + "/cgroup.procs", "0");
}

Status CheckOffer(const std::string& tree) {
  const std::set<std::string> controllers = REEVE_TRY(ReadWords(tree + "/cgroup.controllers"));
  if (controllers.contains("memory") && controllers.contains("pids")) return {};
  return Fail(Code::kUnsupported, "control group " + tree + " does not offer memory and pids");
}

Status CheckAlone(const std::string& tree) {
  if (REEVE_TRY(ReadWords(tree + "/cgroup.procs")) == std::set{std::to_string(::getpid())}) return {};
  return Fail(Code::kUnsupported, "control group " + tree + " has other processes in it");
}

void Leave(const std::string& tree) {
  (void)WriteControl(tree + "/cgroup.subtree_control", "-memory -pids");
  (void)MoveSelf(tree);
  ::rmdir((tree + kOwnLeaf).c_str());
}

}  // namespace

Result<OwnLeaf> OwnLeaf::Enter(const CgroupTree& tree) {
  REEVE_TRY(CheckOffer(tree.path()));
  REEVE_TRY(CheckAlone(tree.path()));
  const std::string leaf = tree.path() + kOwnLeaf;
  if (::mkdir(leaf.c_str(), 0755) < 0 && errno != EEXIST) return FailErrno("make control group " + leaf);
  OwnLeaf own(tree.path());
  REEVE_TRY(MoveSelf(leaf));
  REEVE_TRY(WriteControl(tree.path() + "/cgroup.subtree_control", "+memory +pids"));
  return own;
}

OwnLeaf::~OwnLeaf() {
  if (!tree_.empty()) Leave(tree_);
}

}  // namespace reeve::sandbox
