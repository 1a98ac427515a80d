#!/bin/sh
# Install what a real napari window under Xvfb, KeOps's compiler and the report's tests need and this machine lacks:
# system_libraries.sh PYTHON
set -eu
python=$1
[ "$(uname)" = Linux ] || exit 0

missing=
need() {
    missing="$missing $1"
}

command -v xvfb-run >/dev/null 2>&1 || need xvfb
command -v xauth >/dev/null 2>&1 || need xauth
command -v c++ >/dev/null 2>&1 || need g++

# Ubuntu has a browser from its snap store alone.
if ! command -v chromium >/dev/null 2>&1 && ! command -v google-chrome >/dev/null 2>&1 && grep -sqx ID=debian /etc/os-release; then
    need chromium
fi

headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
[ -f "$headers/Python.h" ] || need "$(basename "$headers")-dev"

# Found by ldconfig rather than by dpkg, since Debian renames packages from release to release.
known=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p)
while read -r library package; do
    case $known in
        *"$library "*) ;;
        *) need "$package" ;;
    esac
done <<'LIBRARIES'
libGL.so.1 libgl1
libEGL.so.1 libegl1
libOpenGL.so.0 libopengl0
libdbus-1.so.3 libdbus-1-3
libfontconfig.so.1 libfontconfig1
libglib-2.0.so.0 libglib2.0-0
libxkbcommon-x11.so.0 libxkbcommon-x11-0
libX11-xcb.so.1 libx11-xcb1
libxcb-cursor.so.0 libxcb-cursor0
libxcb-icccm.so.4 libxcb-icccm4
libxcb-image.so.0 libxcb-image0
libxcb-keysyms.so.1 libxcb-keysyms1
libxcb-randr.so.0 libxcb-randr0
libxcb-render-util.so.0 libxcb-render-util0
libxcb-shape.so.0 libxcb-shape0
libxcb-xinerama.so.0 libxcb-xinerama0
libxcb-xkb.so.1 libxcb-xkb1
LIBRARIES

# The software renderer is loaded by name at run time, from a folder that ldconfig does not list.
ls /usr/lib/*/dri/swrast_dri.so >/dev/null 2>&1 || need libgl1-mesa-dri

[ -z "$missing" ] || "$(dirname "$0")/apt_install.sh" $missing
