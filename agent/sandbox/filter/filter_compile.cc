#include "agent/sandbox/filter/filter_compile.h"

#include <seccomp.h>

#include <memory>
#include <string>

#include "agent/sandbox/filter/filter_evaluate.h"
#include "agent/sandbox/filter/program_tables.h"
#include "base/sys.h"

namespace reeve::sandbox {
namespace {

using Context = std::unique_ptr<void, decltype(&seccomp_release)>;

// Larger than any filter of kMaxRules rules; BPF_MAXINSNS instructions.
constexpr size_t kMaxProgramBytes = 4096 * 8;

uint32_t LibraryAction(const Action& action) {
  switch (action.verdict) {
    case Verdict::kAllow:
      return SCMP_ACT_ALLOW;
    case Verdict::kRefuse:
      return SCMP_ACT_ERRNO(action.error);
    case Verdict::kKill:
      return SCMP_ACT_KILL_PROCESS;
  }
  return SCMP_ACT_KILL_PROCESS;
}

// The library's errors are negative errnos. After any of them the context's state is not to be trusted
// (2.5.4): the caller gives up and the context goes with it.
Status Checked(int result, const std::string& tried) {
  if (result < 0) return Fail(Error::System(-result, tried));
  return {};
}

Status SetAttributes(scmp_filter_ctx context) {
  REEVE_TRY(Checked(seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "set ACT_BADARCH"));
  // A binary tree over the call numbers; linear filters cost with every rule.
  return Checked(seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2), "set CTL_OPTIMIZE");
}

// The library's number and the kernel header's must be one. Names of other architectures resolve to negative
// numbers.
Status CheckName(const CallRule& rule) {
  const int number = seccomp_syscall_resolve_name(rule.name);
  if (number < 0) return Fail(Code::kUnsupported, "the filter library does not know " + std::string(rule.name));
  if (number != rule.number) return Fail(Code::kInvalidArgument, std::string(rule.name) + " has two numbers");
  return {};
}

// Tests of one argument are one comparison for the library.
Result<std::vector<scmp_arg_cmp>> Comparisons(const CallRule& rule) {
  std::vector<scmp_arg_cmp> comparisons;
  for (unsigned index = 0; index < 6; ++index) {
    uint32_t mask = 0;
    uint32_t value = 0;
    for (const ArgumentTest& test : rule.tests) {
      if (test.index != index) continue;
      if ((value & test.mask) != (test.value & mask)) {
        return Fail(Code::kInvalidArgument, std::string(rule.name) + ": tests that exclude each other");
      }
      mask |= test.mask;
      value |= test.value;
    }
    if (mask != 0) comparisons.push_back({index, SCMP_CMP_MASKED_EQ, mask, value});
  }
  return comparisons;
}

Status AddRule(scmp_filter_ctx context, const CallRule& rule) {
  REEVE_TRY(CheckName(rule));
  const std::vector<scmp_arg_cmp> comparisons = REEVE_TRY(Comparisons(rule));
  return Checked(seccomp_rule_add_exact_array(context, LibraryAction(rule.action), rule.number,
                                              static_cast<unsigned>(comparisons.size()), comparisons.data()),
                 "add a rule for " + std::string(rule.name));
}

Result<std::vector<uint8_t>> Export(scmp_filter_ctx context) {
  const UniqueFd file = REEVE_TRY(sys::MemoryFile("filter", 0));
  REEVE_TRY(Checked(seccomp_export_bpf(context, file.get()), "export a filter"));
  std::vector<uint8_t> bytes(kMaxProgramBytes + 1);
  bytes.resize(REEVE_TRY(sys::ReadAt(file.get(), bytes, 0)));
  if (bytes.size() > kMaxProgramBytes) return Fail(Code::kTooLarge, "the filter has too many instructions");
  return bytes;
}

}  // namespace

Result<std::vector<uint8_t>> CompileFilter(const FilterTable& table) {
  REEVE_TRY(CheckTable(table));
  const Context context(seccomp_init(LibraryAction(table.otherwise)), &seccomp_release);
  if (!context) return Fail(Code::kSystem, "the filter library does not start");
  REEVE_TRY(SetAttributes(context.get()));
  for (const CallRule& rule : table.rules) {
    if (rule.action != table.otherwise) REEVE_TRY(AddRule(context.get(), rule));
  }
  std::vector<uint8_t> program = REEVE_TRY(Export(context.get()));
  REEVE_TRY(ProveFilter(program, table, kVectorsPerTestedCall));
  return program;
}

Status CompileFilters(policy::SandboxProfile& profile) {
  profile.load_filter.clear();
  if (profile.role == policy::Role::kWorker) {
    profile.load_filter = REEVE_TRY(CompileFilter(TableFor(profile, FilterStage::kLoad)));
  }
  profile.run_filter = REEVE_TRY(CompileFilter(TableFor(profile, FilterStage::kRun)));
  return {};
}

Result<std::vector<uint8_t>> CompileProgramFilter(policy::Confinement confinement) {
  if (confinement == policy::Confinement::kUnconfined) return std::vector<uint8_t>();
  return CompileFilter(ProgramTable(confinement));
}

}  // namespace reeve::sandbox
