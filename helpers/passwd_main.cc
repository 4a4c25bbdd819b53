#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "base/sys.h"
#include "helpers/contract.h"
#include "helpers/password_line.h"
#include "helpers/shut_in.h"
#include "helpers/user_lookup.h"
#include "helpers/whole_input.h"

// reeve-passwd USER plain|crypted: contract.h. Checks what it is given, and then becomes chpasswd, which reads one line from a pipe
// that is filled already. The password is in no argument, no environment, no file and no message.

namespace reeve::helpers {
namespace {

// Where distributions have it. Not by PATH, which is for whoever runs us to say.
constexpr std::array<const char*, 4> kChpasswd = {"/usr/sbin/chpasswd", "/sbin/chpasswd", "/usr/bin/chpasswd",
                                                  "/bin/chpasswd"};
// One byte for the end mark, and one that must stay free.
using Secret = SecretBuffer<kMaxPasswordBytes + 2>;

// chpasswd finds out by itself that there is no such user, and says so as its administrator knows it.
Status CheckWho(const std::string& name) {
  REEVE_TRY(CheckUserName(name));
  const Result<User> user = LookUpUser(name);
  if (!user && user.error().code() == Code::kDenied) return Fail(user.error());
  return {};
}

Result<std::string_view> ReadPassword(Secret& secret) {
  const std::span<char> place = secret.bytes();
  size_t size = 0;
  while (size < place.size()) {
    const std::span<char> rest = place.subspan(size);
    const size_t count = REEVE_TRY(sys::Read(STDIN_FILENO, {reinterpret_cast<uint8_t*>(rest.data()), rest.size()}));
    if (count == 0) return WholeInput({place.data(), size});
    size += count;
  }
  return Fail(Code::kTooLarge, "the password is longer than " + std::to_string(kMaxPasswordBytes) + " bytes");
}

// Becomes standard input, with the whole line in it.
Status FeedLine(const std::string& name, std::string_view password) {
  const sys::TwoFds pipe = REEVE_TRY(sys::Pipe());
  for (const std::string_view piece : {std::string_view(name), std::string_view(":"), password, std::string_view("\n")})
    REEVE_TRY(sys::WriteAll(pipe.second.get(), AsBytes(piece)));
  if (::dup2(pipe.first.get(), STDIN_FILENO) < 0) return FailErrno("place the password");
  return {};
}

Status Prepare(const std::string& name, PasswordForm form) {
  REEVE_TRY(HideMemory());
  REEVE_TRY(CheckWho(name));
  Secret secret;
  const std::string_view password = REEVE_TRY(ReadPassword(secret));
  REEVE_TRY(CheckPassword(password, form));
  return FeedLine(name, password);
}

// Returns only when there is none, in the words of qemu-ga's child.
std::string BecomeChpasswd(PasswordForm form) {
  char program[] = "chpasswd", encrypted[] = "-e";
  char* const words[] = {program, form == PasswordForm::kCrypted ? encrypted : nullptr, nullptr};
  int error_number = ENOENT;
  for (const char* const path : kChpasswd) {
    ::execve(path, words, environ);
    if (errno != ENOENT) error_number = errno;
  }
  return "failed to exec 'chpasswd': " + ErrnoText(error_number) + "\n";
}

std::optional<PasswordForm> FormOf(std::string_view word) {
  if (word == "plain") return PasswordForm::kPlain;
  if (word == "crypted") return PasswordForm::kCrypted;
  return std::nullopt;
}

void Say(const std::string& text) {
  (void)!sys::WriteAll(STDERR_FILENO, AsBytes(text));
}

int Main(int argc, char** argv) {
  const std::optional<PasswordForm> form = argc == 3 ? FormOf(argv[2]) : std::nullopt;
  if (!form) return kExitUsage;
  const Status prepared = Prepare(argv[1], *form);
  if (!prepared) return Say(prepared.error().message()), kExitFailed;
  Say(BecomeChpasswd(*form));
  return 1;
}

}  // namespace
}  // namespace reeve::helpers

int main(int argc, char** argv) {
  return reeve::helpers::Main(argc, argv);
}
