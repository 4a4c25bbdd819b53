#include "plugins/system/suspend.h"

#include <array>
#include <utility>

#include "plugins/system/switch_file.h"

namespace reeve::system {

// What a mode is called by whom.
struct Suspend::Words {
  const char* name;  // for people
  const char* systemd_verb;
  const char* systemd_unit;
  const char* pm_option;
  const char* pm_program;
  const char* kernel_state;  // nullptr: the kernel alone cannot
};

namespace {

constexpr const char* kSystemctl = "systemctl";
constexpr const char* kPmIsSupported = "pm-is-supported";

std::string Joined(const std::vector<std::string>& words) {
  std::string text = words.front();
  for (size_t i = 1; i < words.size(); ++i) text += " " + words[i];
  return text;
}

bool HasWord(const std::string& list, const std::string& word) {
  return (" " + list.substr(0, list.find('\n')) + " ").find(" " + word + " ") != std::string::npos;
}

// The answer of `systemctl status` for a unit that it knows and that is not at work; 4 is "no such unit".
bool IsUnitKnown(const ProgramEnd& end) {
  return end.kind == ProgramEnd::Kind::kExited && end.value >= 1 && end.value <= 3;
}

// It may still happen, so that another attempt could be one too many. logind says "already in progress" of a sleep or a
// shutdown that somebody else began.
bool MayStillHappen(const ProgramEnd& end) {
  return end.kind == ProgramEnd::Kind::kTimedOut || end.kind == ProgramEnd::Kind::kUnknown ||
         end.output.find("in progress") != std::string::npos;
}

}  // namespace

const Suspend::Words& Suspend::WordsOf(SuspendMode mode) {
  static constexpr std::array<Words, 3> kWords = {{
      {"suspend to disk", "hibernate", "systemd-hibernate.service", "--hibernate", "pm-hibernate", "disk"},
      {"suspend to RAM", "suspend", "systemd-suspend.service", "--suspend", "pm-suspend", "mem"},
      {"hybrid suspend", "hybrid-sleep", "systemd-hybrid-sleep.service", "--suspend-hybrid", "pm-suspend-hybrid",
       nullptr},
  }};
  return kWords[static_cast<size_t>(mode)];
}

void Suspend::Begin(const Pending& request, SuspendMode mode) {
  if (!current_.expired()) return request->Fail(REEVE_ERROR_FAILED, "another suspend is under way");
  const auto work = std::make_shared<Attempt>();
  current_ = work;
  work->request = request;
  work->words = &WordsOf(mode);
  AskSystemd(work);
}

void Suspend::AskSystemd(const Work& work) {
  // Without lines of the journal, which take long where it is large.
  programs_.Run(work->request->id(), {kSystemctl, "status", "--lines=0", work->words->systemd_unit},
                [this, work](const ProgramEnd& end) {
                  if (!work->request->is_open()) return;
                  if (IsUnitKnown(end))
                    return RunStrategy(work, {kSystemctl, work->words->systemd_verb}, &Suspend::AskPmUtils);
                  if (end.kind != ProgramEnd::Kind::kExited && !end.is_missing())
                    work->failures.push_back(std::string("systemctl status: ") + ShortFailure(end));
                  AskPmUtils(work);
                });
}

void Suspend::AskPmUtils(const Work& work) {
  programs_.Run(work->request->id(), {kPmIsSupported, work->words->pm_option}, [this, work](const ProgramEnd& end) {
    if (!work->request->is_open()) return;
    if (end.is_success()) return RunStrategy(work, {work->words->pm_program}, &Suspend::OpenState);
    if (end.kind != ProgramEnd::Kind::kExited && !end.is_missing())
      work->failures.push_back(std::string("pm-is-supported: ") + ShortFailure(end));
    OpenState(work);
  });
}

void Suspend::RunStrategy(const Work& work, std::vector<std::string> words, Step next) {
  const std::string name = Joined(words);
  programs_.Run(work->request->id(), words, [this, work, name, next](const ProgramEnd& end) {
    if (!work->request->is_open()) return;
    if (end.is_success()) return work->request->Succeed();
    work->failures.push_back(name + ": " + ShortFailure(end));
    if (MayStillHappen(end)) return GiveUp(work);
    (this->*next)(work);
  });
}

void Suspend::OpenState(const Work& work) {
  if (work->words->kernel_state == nullptr) return GiveUp(work);
  const int32_t asked = agent_.Open(work->request->id(), state_path_, REEVE_ACCESS_READ | REEVE_ACCESS_WRITE, 0,
                                    [this, work](const plugin::Opened& opened) {
                                      if (work->request->is_open()) WriteState(work, opened);
                                    });
  if (asked == REEVE_OK) return;
  work->failures.push_back(state_path_ + ": the agent cannot be asked to open it");
  GiveUp(work);
}

// Writing returns when the machine is awake again.
void Suspend::WriteState(const Work& work, const plugin::Opened& opened) {
  if (!opened.fd) {
    if (opened.refusal.error_number == 0) work->failures.push_back(opened.refusal.text);
    return GiveUp(work);
  }
  const Result<std::string> states = ReadSwitch(opened.fd.get(), state_path_);
  if (!states || !HasWord(*states, work->words->kernel_state)) return GiveUp(work);
  const Status written = WriteSwitch(opened.fd.get(), work->words->kernel_state, state_path_);
  if (written) return work->request->Succeed();
  work->failures.push_back(state_path_ + ": " + ErrnoText(written.error().system_errno()));
  GiveUp(work);
}

void Suspend::GiveUp(const Work& work) {
  if (work->failures.empty())
    return work->request->Fail(REEVE_ERROR_UNSUPPORTED, "the requested suspend mode is not supported by the guest");
  std::string text = std::string(work->words->name) + " failed";
  const char* separator = ": ";
  for (const std::string& failure : work->failures) text += std::exchange(separator, "; ") + failure;
  work->request->Fail(REEVE_ERROR_FAILED, text);
}

}  // namespace reeve::system
