#!/bin/bash
# Builds Reeve and runs its tests; ends with the line `N passed, N failed, N skipped`.
#
#   ./test.sh            all of them
#   ./test.sh --quick    without the guest
#
# Must be root, or able to become it by sudo: sandboxes, control groups and the guest need it.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 2

build=build/release
results=$PWD/build/test-results
with_guest=yes
python=/usr/bin/python3

case "${1:-}" in
  '') ;;
  --quick) with_guest= ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

headline() { printf '\n=== %s (%d:%02d)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

set_up() {
  local lists=(packaging/build-packages tests/support/packages)
  [ -z "$with_guest" ] || lists+=(tests/vm/packages)
  tests/support/install-packages "${lists[@]}" && cmake --preset release && cmake --build "$build"
}

# Each suite leaves RESULTS/NAME.xml. One that leaves none has failed: summary.py asks for every name.
run_ctest() {
  local name=$1
  shift
  headline "$name"
  as_root env GTEST_OUTPUT="xml:$results/$name/" timeout 600 \
    ctest --test-dir "$build" --output-on-failure --timeout 120 --parallel "$(nproc)" --output-junit "$results/$name.xml" "$@"
}

run_pytest() {
  local name=$1 folder=$2 limit_s=$3
  headline "$name"
  as_root env REEVE_BUILD_DIR="$PWD/$build" PYTHONDONTWRITEBYTECODE=1 timeout --kill-after=30 "$limit_s" \
    "$python" -m pytest -v -p no:cacheprovider --tb=short --junitxml "$results/$name.xml" "$folder"
}

run_example() {
  headline 'run.sh'
  # Its conversation checks what it is told; here it counts as one test.
  "$python" tests/support/as_test.py "$results/run.xml" run.sh timeout 120 ./run.sh --once
}

run_guest() {
  headline 'package'
  "$python" tests/support/as_test.py "$results/package.xml" package cmake --build "$build" --target package
  # An emulated guest is slow at once when the machine has other work.
  run_pytest guest tests/vm 3600
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

headline 'packages and build'
set_up || { echo 'test.sh: the build failed' >&2; echo '0 passed, 1 failed, 0 skipped'; exit 1; }

as_root rm -rf "$results"
mkdir -p "$results"
suites=(unit sandbox integration lint run)

run_ctest unit --label-exclude '^(sandbox|lint)$'
run_ctest sandbox --label-regex '^sandbox$' --parallel 1
run_pytest integration tests/integration 900
run_ctest lint --label-regex '^lint$'
run_example
if [ -n "$with_guest" ]; then
  suites+=(package guest)
  run_guest
fi

headline 'result'
"$python" tests/support/summary.py "$results" "${suites[@]}"
