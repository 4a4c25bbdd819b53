#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What is wrong in a text that a person wrote, and where.

namespace reeve::policy {

struct Diagnostic {
  std::string file;
  uint32_t line = 0;    // from 1
  uint32_t column = 0;  // from 1, in characters
  std::string message;
  std::string ToString() const {
    return file + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + message;
  }
};

using Diagnostics = std::vector<Diagnostic>;

// Of `known` the word that was probably meant by `word`, as "; did you mean 'x'?", or "" when none is near.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& known);

}  // namespace reeve::policy
