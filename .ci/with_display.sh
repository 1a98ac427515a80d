#!/bin/sh
# Run a command with a display of its own: with_display.sh COMMAND...
set -eu

if [ "$(uname)" = Linux ]; then
    QT_QPA_PLATFORM=xcb
    export QT_QPA_PLATFORM
    exec xvfb-run --auto-servernum --server-args="-screen 0 1600x1200x24" "$@"
fi
exec "$@"
