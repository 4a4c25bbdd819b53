#!/bin/bash
# A libvirtd and a virtlogd of our own, which meet no other libvirt of this machine: private mount, network and process
# namespaces, with their own /etc/libvirt, /run and /var/lib/libvirt. Everything they start ends with this process.
#
#   tests/vm/libvirtd.sh FOLDER
#
# FOLDER becomes theirs. Once FOLDER/libvirt-sock stands they are reached from outside by
#   virsh -c 'qemu:///system?socket=FOLDER/libvirt-sock'
set -euo pipefail

write_configuration() {
  mkdir -p "$folder"/{etc,lib,cache,log}
  cat >"$folder/etc/libvirtd.conf" <<CONF
unix_sock_dir = "$folder"
unix_sock_rw_perms = "0600"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:file:$folder/libvirtd.log"
CONF
  cat >"$folder/etc/qemu.conf" <<'CONF'
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
CONF
  printf 'log_outputs = "3:file:%s/virtlogd.log"\n' "$folder" >"$folder/etc/virtlogd.conf"
}

# Inside the namespaces, as their first process: when it ends, so do the daemons and their QEMU.
serve() {
  mount --bind "$folder/etc" /etc/libvirt
  # Without the machine's /run neither systemd nor the message bus is asked to keep a cgroup for the guest.
  mount -t tmpfs -o mode=0755 tmpfs /run
  mkdir -p /run/libvirt /run/lock
  local name
  for name in lib cache log; do
    mkdir -p "/var/$name/libvirt"
    mount --bind "$folder/$name" "/var/$name/libvirt"
  done
  ip link set lo up
  virtlogd --daemon --config /etc/libvirt/virtlogd.conf
  # One that a test ended, by SIGTERM or SIGKILL, is followed by another; the guest runs on meanwhile.
  while libvirtd --config /etc/libvirt/libvirtd.conf || [ $? = 137 ]; do :; done
}

if [ "${1:-}" = --serve ]; then
  folder=$2
  serve
else
  folder=$(readlink -f "$1")
  write_configuration
  exec unshare --mount --net --pid --fork --kill-child=KILL --mount-proc --propagation private "$0" --serve "$folder"
fi
