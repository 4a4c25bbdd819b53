#!/bin/bash
# Makes the guest image of the VM tests, once: a Debian 12 root file system, and two kernels with an initrd each.
# Prints the folder that holds root.img, vmlinuz and initrd.img, and the same of the kernel that knows more disks:
# vmlinuz-hardware and initrd-hardware.img.
#
#   tests/vm/make-image.sh
#
# The image is kept under .cache/vm, named for a hash of its recipe (this file and guest/), and is only ever read; a run
# writes to an overlay. Packages come from where this machine's own apt gets them. When they cannot be had and an
# older image is there, that one is used, with a warning.
set -Eeuo pipefail
exec 3>&2

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${REEVE_VM_CACHE:-$(cd "$here/../.." && pwd)/.cache/vm}
suite=bookworm
# Enough for the packages, the agent and 8 MiB files several times over; the file is sparse.
image_size=1400M

say() { printf 'make-image: %s\n' "$*" >&3; }
listed() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$1"; }
recipe_hash() { (cd "$here" && cat make-image.sh guest/* | sha256sum | cut -c1-16); }

# The mirror that apt uses for this suite.
mirror() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk -v suite="$suite" '$1 == suite {print $2; exit}'
}

# The proxy that apt uses, for debootstrap, which does not read apt's configuration.
export_proxy() {
  local proxy=
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then export http_proxy=$proxy; fi
}

in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

bootstrap() {
  local include
  include=$(listed "$here/guest/packages" | paste -sd,)
  say "debootstrap $suite"
  debootstrap --variant=minbase --include="$include" "$suite" "$root" "$(mirror)"
}

borrow_apt_configuration() {
  mv "$root/etc/apt" "$root/etc/apt.own"
  cp -a /etc/apt "$root/etc/apt"
  cp -a /usr/share/keyrings/. "$root/usr/share/keyrings/"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  in_root apt-get update -q
}

return_apt_configuration() {
  rm -rf "$root/etc/apt" "$root/etc/resolv.conf"
  mv "$root/etc/apt.own" "$root/etc/apt"
  rm -rf "$root/etc/apt/sources.list" "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*
  mkdir -p "$root/var/cache/apt/archives/partial"
}

install_kernel() {
  say "kernel"
  # Only what finds the root disk: an initrd of all modules costs an emulated CPU several seconds to unpack.
  mkdir -p "$root/etc/initramfs-tools/conf.d"
  echo 'MODULES=list' >"$root/etc/initramfs-tools/conf.d/reeve"
  printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic >"$root/etc/initramfs-tools/modules"
  in_root apt-get install -y -q --no-install-recommends linux-image-cloud-amd64
  cp -L "$root"/boot/vmlinuz-* "$work/vmlinuz"
  cp -L "$root"/boot/initrd.img-* "$work/initrd.img"
  rm -f "$root"/boot/vmlinuz-* "$root"/boot/initrd.img-*
}

# The kernel for real machines, of which few modules are kept: it has 400 MB of them.
install_hardware_kernel() {
  say "kernel for more kinds of disks"
  local package version tree=/tmp/hardware
  # shellcheck disable=SC2016
  package=$(in_root dpkg-query -W -f '${Package}\n' 'linux-image-*-cloud-amd64' | grep '[0-9]' | sed 's/-cloud-/-/')
  version=${package#linux-image-}
  in_root sh -c "cd /tmp && apt-get download -q '$package' && dpkg-deb --extract '$package'_*.deb $tree && rm '$package'_*.deb"
  in_root depmod --basedir "$tree" "$version"
  # shellcheck disable=SC2046
  in_root modprobe --dirname "$tree" --set-version "$version" --show-depends --all $(listed "$here/guest/hardware-modules") |
    sed -n "s|^insmod $tree/\(lib/modules/[^ ]*\).*|\1|p" | sort -u >"$work/kept"
  tar -C "$root$tree" -cf - --files-from "$work/kept" "lib/modules/$version"/modules.{order,builtin,builtin.modinfo} |
    tar -C "$root/usr" -xf -
  in_root depmod "$version"
  mv "$root$tree/boot/config-$version" "$root/boot/"
  in_root mkinitramfs -o /tmp/initrd "$version"
  rm "$root/boot/config-$version"
  mv "$root/tmp/initrd" "$work/initrd-hardware.img"
  mv "$root$tree/boot/vmlinuz-$version" "$work/vmlinuz-hardware"
  rm -rf "${root:?}$tree" "$work/kept"
}

# Tools for disks made of disks. What they would start at each boot is started by who tests it.
install_storage_tools() {
  say "storage tools"
  # shellcheck disable=SC2046
  in_root apt-get install -y -q --no-install-recommends $(listed "$here/guest/storage-packages")
  in_root systemctl --quiet mask lvm2-monitor.service blk-availability.service mdmonitor-oneshot.timer mdcheck_start.timer \
    mdcheck_continue.timer rpc-statd-notify.service
  in_root systemctl --quiet disable nfs-server.service nfs-client.target rpcbind.service rpcbind.socket dm-event.socket \
    lvm2-lvmpolld.socket
}

fill_repository() {
  say "repository of the guest"
  local repository=/var/lib/reeve-test-repository
  mkdir -p "$root$repository/partial"
  # shellcheck disable=SC2046
  in_root apt-get install -y -q --no-install-recommends --download-only --reinstall \
    -o Dir::Cache::archives="$repository" -o APT::Keep-Downloaded-Packages=true $(listed "$here/guest/repository")
  rm -rf "$root$repository/partial" "$root$repository/lock"
  (cd "$root$repository" && dpkg-scanpackages --multiversion . /dev/null >Packages 2>/dev/null)
}

configure_guest() {
  # A half hour, so that no test takes the guest's zone for UTC.
  ln -sf /usr/share/zoneinfo/Asia/Kolkata "$root/etc/localtime"
  echo 'reeve-guest' >"$root/etc/hostname"
  echo 'LABEL=root / ext4 rw,relatime 0 1' >"$root/etc/fstab"
  echo 'deb [trusted=yes] file:/var/lib/reeve-test-repository ./' >"$root/etc/apt/sources.list"
  install -m 0755 "$here/guest/reeve-test-shell" "$root/usr/local/sbin/"
  install -m 0644 "$here/guest/reeve-test-shell.service" "$root/etc/systemd/system/"
  in_root systemctl --quiet enable reeve-test-shell.service
  in_root systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer \
    e2scrub_reap.service getty@tty1.service systemd-random-seed.service systemd-pstore.service
  in_root systemctl --quiet disable ssh.service
  in_root apt-get update -q
}

pack() {
  say "file system"
  # The tree is copied in by mke2fs itself: nothing is mounted.
  mke2fs -q -t ext4 -L root -d "$root" "$work/root.img" "$image_size"
}

# Runs in a mount namespace of its own: what debootstrap mounts ends with it.
build() {
  work=$1
  root=$work/root
  mkdir -p "$root"
  exec >"$work/build.log" 2>&1
  trap 'tail -n 20 "$work/build.log" >&3' ERR
  export_proxy
  bootstrap
  borrow_apt_configuration
  install_kernel
  install_hardware_kernel
  install_storage_tools
  fill_repository
  return_apt_configuration
  configure_guest
  pack
  rm -rf "$root"
}

older_image() { find "$cache" -maxdepth 1 -type d -name 'image-*' -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -1 | cut -d' ' -f2-; }

main() {
  local image work older
  image=$cache/image-$(recipe_hash)
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
  if [ ! -d "$image" ]; then
    [ "$(id -u)" = 0 ] || { say "must be root"; exit 1; }
    work=$(mktemp -d "$cache/build.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf --one-file-system '$work'" EXIT
    if timeout 900 unshare --mount --propagation private "$0" --build "$work"; then
      chmod 0755 "$work"
      mv "$work" "$image"
      find "$cache" -maxdepth 1 -type d -name 'image-*' ! -path "$image" -exec rm -rf {} +
    else
      older=$(older_image)
      [ -n "$older" ] || { say "could not be made, and there is no older image"; exit 1; }
      say "WARNING: could not be made; using $older, which is of another recipe"
      image=$older
    fi
  fi
  printf '%s\n' "$image"
}

if [ "${1:-}" = --build ]; then build "$2"; else main; fi
