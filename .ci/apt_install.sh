#!/bin/sh
# Install Debian packages: apt_install.sh PACKAGE...
set -eu

if ! command -v apt-get >/dev/null 2>&1; then
    echo "make: this machine lacks what Debian calls: $*; install it with the system's own package manager" >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
else
    echo "make: as root, run: apt-get install $*" >&2
    exit 1
fi
echo "make: installing the system packages $*"
$as_root apt-get update -qq
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
