#!/bin/sh
# Runs the RTSP server, which reads its configuration from a standard input that stays open, until it is told to stop.
set -eu
pipe=/tmp/configuration
[ -p "$pipe" ] || mkfifo "$pipe"
exec 3<>"$pipe"
echo '{"address": "0.0.0.0", "port": 8554, "users": {}, "digest": false,
  "mounts": [{"path": "/street", "kind": "units", "files": ["/camera/street.units"]}]}' | tr '\n' ' ' >&3
echo >&3
exec python3 /camera/rtsp_server_process.py <&3
