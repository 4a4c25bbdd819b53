#!/bin/sh
# header_alone.sh INCLUDE_DIRECTORY: each public header compiles as the only one of a file, in each language that it promises.
set -eu
include=$1
command -v gcc >/dev/null && command -v g++ >/dev/null || { echo "skipped: no gcc"; exit 77; }
clang=$(command -v clang-19 || true)
[ -n "$clang" ] || { echo "skipped: no clang-19"; exit 77; }
failures=$(mktemp)
trap 'rm -f "$failures"' EXIT

# check LANGUAGE STANDARD HEADER COMPILER FLAGS...
check() {
  language=$1 standard=$2 header=$3
  shift 3
  echo "#include \"$header\"
#include \"$header\"
extern int nothing_else;" | "$@" -x "$language" -std="$standard" -I"$include" -Wall -Wextra -Wpedantic -Werror -fsyntax-only - ||
    echo "$header does not compile with $1 as $standard" >>"$failures"
}

for standard in c11 c17; do
  for compiler in gcc "$clang"; do
    check c $standard reeve/plugin.h $compiler -Wpadded -Wc++-compat &
  done
  wait
done
for standard in c++17 c++20 c++23; do
  for compiler in g++ "${clang}"; do
    check c++ $standard reeve/plugin.h $compiler -Wpadded &
    for header in reeve/json.hpp reeve/typed.hpp reeve/agent.hpp reeve/plugin.hpp; do
      check c++ $standard $header $compiler -Wshadow -Wconversion -Wno-sign-conversion
    done &
  done
  wait
done
check c++ c++17 reeve/plugin.hpp g++ -fno-exceptions
cat "$failures"
[ ! -s "$failures" ]
