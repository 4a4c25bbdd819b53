#!/bin/bash
# Builds Reeve and runs it here, in the foreground, on a unix socket, under examples/run-policy.yaml.
#
#   ./run.sh           first a short conversation, then it serves until Ctrl-C
#   ./run.sh --once    the conversation only
#
# Nothing is installed but missing Debian packages: the program runs from a folder of its own, which goes when it stops.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

build=build/release
# Reeve starts nothing that somebody else than root could have written, so it runs from no checkout.
folder=
agent=

start_limit_s=20

set_up() {
  tests/support/install-packages packaging/build-packages
  cmake --preset release
  cmake --build "$build" --target reeve_product
}

install_privately() {
  folder=$(mktemp -d "${TMPDIR:-/tmp}/reeve-run.XXXXXX")
  chmod 0755 "$folder"
  (
    umask 022
    cmake --install "$build" --prefix "$folder/prefix" >/dev/null
    mkdir -p "$folder/etc" "$folder/var" "$folder/state"
    install -m 0644 examples/run-policy.yaml "$folder/etc/policy.yaml"
  )
}

# SIGTERM is how a service manager stops it: it ends its workers and programs first.
stop() {
  trap - EXIT INT TERM HUP
  if [ -n "$agent" ]; then
    kill -TERM "$agent" 2>/dev/null || true
    wait "$agent" 2>/dev/null || true
    agent=
    name_what_is_left
  fi
  [ -z "$folder" ] || rm -rf "$folder"
}

name_what_is_left() {
  local left
  left=$(find /proc -maxdepth 2 -name exe -lname "$folder/*" 2>/dev/null || true)
  [ -z "$left" ] || { echo "run.sh: still running: $left" >&2; exit 1; }
}

start() {
  # In a session of its own, so that Ctrl-C reaches this script and not each process of Reeve by itself.
  setsid "$folder/prefix/sbin/reeved" --method unix-listen --path "$folder/reeve.sock" --statedir "$folder/state" \
    --etc-dir "$folder/etc" --var-dir "$folder/var" --plugin-dir "$folder/prefix/lib/reeve/plugins" &
  agent=$!
  local end=$((SECONDS + start_limit_s))
  until [ -S "$folder/reeve.sock" ]; do
    kill -0 "$agent" 2>/dev/null || { agent=; echo 'run.sh: reeved ended' >&2; return 1; }
    [ "$SECONDS" -lt "$end" ] || { echo "run.sh: no socket after $start_limit_s s" >&2; return 1; }
    sleep 0.1
  done
}

explain() {
  cat <<END
Reeve serves on $folder/reeve.sock, under $folder/etc/policy.yaml (a copy of examples/run-policy.yaml).

Talk to it, as root, in another terminal:
  python3 -c 'import sys; sys.path.insert(0, "tests/support"); import qga; print(qga.Client(sys.argv[1]).exchange(sys.argv[2]))' \\
      $folder/reeve.sock '{"execute": "guest-info"}'
or, with socat:
  (echo '{"execute": "guest-ping"}'; sleep 1) | socat - UNIX-CONNECT:$folder/reeve.sock

Ctrl-C stops it and everything that it started.
END
}

serve() {
  trap stop EXIT
  trap 'stop; exit 0' INT TERM HUP
  install_privately
  start
  tests/support/converse.py "$folder/reeve.sock"
  [ "${1:-}" != --once ] || return 0
  explain
  wait "$agent"
}

case "${1:-}" in
  '' | --once) ;;
  --as-root) serve "${2:-}"; exit ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

set_up
if [ "$(id -u)" = 0 ]; then serve "${1:-}"; else exec sudo "$PWD/run.sh" --as-root "${1:-}"; fi
