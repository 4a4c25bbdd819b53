#pragma once

#include <cstddef>

// What the helpers and the plugin that asks for them agree on. Words of a helper are its arguments, in this order; policy judges
// them. All else comes by standard input, up to its end, and with kEndOfInput as its last byte: who asks may die while it writes, and
// a part of a password or of the keys must not be taken for all of it. Results and errors go to standard output and standard error,
// which may be one pipe.
//
//   reeve-passwd USER plain|crypted   input: the password, as it is, without a line end.
//   reeve-keys get USER               output: the keys, each with a line end, last of the file first.
//   reeve-keys add USER               input: keys, each with a line end; those that are not there yet are added.
//   reeve-keys reset USER             the same, and all that was there before is gone.
//   reeve-keys remove USER            input: keys, each with a line end; they are removed wherever they stand.

namespace reeve::helpers {

inline constexpr const char* kPasswd = "reeve-passwd";
inline constexpr const char* kKeys = "reeve-keys";

// Exit codes beside 0. What else ends so is chpasswd, and its output is what it said.
inline constexpr int kExitFailed = 120;  // the output is one line, the whole error for the host
inline constexpr int kExitUsage = 121;   // who asked does not keep to this page

// No password and no key has it in it: both are refused.
inline constexpr char kEndOfInput = '\0';

// With the end 4 KiB, which the rules of the profiles let in. Above what any PAM module takes (PAM_MAX_RESP_SIZE is 512), and below
// what a pipe holds.
inline constexpr size_t kMaxPasswordBytes = 4095;
// Of an authorized_keys, of the keys in one request with their end, and of what `get` may say. Some hundred keys are usual at most.
inline constexpr size_t kMaxKeysBytes = 1024 * 1024;

}  // namespace reeve::helpers
