#!/bin/bash
# Prints Reeve's figures beside those of Debian's qemu-ga on this machine, with the aim of each (bench/README.md).
#
#   sudo bench/run.sh [--quick] [--json] [--rounds N]    builds build/release where that is needed
#   sudo bench/run.sh --getters ...                      the getters one by one, also with many mounts, interfaces, logins
#   sudo bench/run.sh --prefix DIR ...                   an installed Reeve; nothing is built
#
# Nothing stays behind but the build. No figure makes it fail: what is slow on a busy machine is for a reader to judge.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "$(id -u)" -ne 0 ]; then
  echo "bench/run.sh: Reeve's warden needs root" >&2
  exit 1
fi

has_prefix=
for word in "$@"; do
  case $word in --prefix | --prefix=*) has_prefix=yes ;; esac
done

if [ -z "$has_prefix" ]; then
  # To stderr: with --json the output is nothing but the rows.
  cmake --preset release >&2
  cmake --build build/release --target reeve_product >&2
fi

program=bench/compare.py
if [ "${1:-}" = --getters ]; then
  program=bench/getters.py
  shift
fi
PYTHONDONTWRITEBYTECODE=1 exec python3 "$program" "$@"
