#!/bin/sh
# Make the virtual environment: virtual_environment.sh PYTHON FOLDER
set -eu
python=$1
folder=$2

if ! command -v "$python" >/dev/null 2>&1; then
    echo "make: $python is not here: install Python 3.11 or later, or name one, as in 'make PYTHON=python3.12 demo'" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "make: $("$python" --version 2>&1) is too old: Python 3.11 or later is needed;" \
        "name one, as in 'make PYTHON=python3.12 demo'" >&2
    exit 1
fi
if [ -x "$folder/bin/python" ] && "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi
# Debian ships venv apart from Python.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    "$(dirname "$0")/apt_install.sh" "$version-venv"
fi
"$python" -m venv --clear "$folder"
