#!/bin/sh
# Runs the RTSP server. The server reads its configuration from standard input and runs until standard input is closed,
# so a named pipe keeps it open.
set -eu
pipe=/tmp/configuration
[ -p "$pipe" ] || mkfifo "$pipe"
exec 3<>"$pipe"
echo '{"address": "0.0.0.0", "port": 8554, "users": {}, "digest": false,
  "mounts": [{"path": "/street", "kind": "units", "files": ["/camera/street.units"]}]}' | tr '\n' ' ' >&3
echo >&3
exec python3 /camera/rtsp_server_process.py <&3
