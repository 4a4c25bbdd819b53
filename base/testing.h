#pragma once

// Matchers for Result, for unit tests only.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/result.h"

#define REEVE_ASSERT_OK(expression)                                                        \
  do {                                                                                     \
    const auto& reeve_assert_result = (expression);                                        \
    ASSERT_TRUE(reeve_assert_result.has_value()) << reeve_assert_result.error().message(); \
  } while (false)

namespace reeve {

MATCHER(IsOk, "is a success") {
  if (arg.has_value()) return true;
  *result_listener << "failed: " << arg.error().message();
  return false;
}

MATCHER_P(FailsWith, code, "fails with that code") {
  if (arg.has_value()) {
    *result_listener << "succeeded";
    return false;
  }
  *result_listener << arg.error().message();
  return arg.error().code() == code;
}

MATCHER_P(FailsSaying, part, "fails with a message that holds the text") {
  if (arg.has_value()) {
    *result_listener << "succeeded";
    return false;
  }
  *result_listener << arg.error().message();
  return arg.error().message().find(part) != std::string::npos;
}

}  // namespace reeve
