#!/usr/bin/env bash
# Installs the Debian packages for partstream's demo or tests. Without root it lists the missing packages.
#   deploy/system-packages.sh demo|test|flaky
set -euo pipefail

# GStreamer's RTSP server, and footage of a street (opencv-doc).
demo=(gstreamer1.0-rtsp gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
  gstreamer1.0-plugins-ugly gstreamer1.0-libav libgstrtspserver-1.0-0 gir1.2-gst-rtsp-server-1.0
  gir1.2-gst-plugins-base-1.0 python3-gi opencv-doc)
# Prometheus to scrape an engine, with promtool to check /metrics and the rules; Chromium to publish a camera and open
# pages; VLC as another RTSP server; an MQTT broker.
test=("${demo[@]}" prometheus chromium vlc-bin vlc-plugin-base mosquitto mosquitto-clients)
# Load beside the tests.
flaky=("${test[@]}" stress-ng)

case "${1:-}" in
  demo) wanted=("${demo[@]}") ;;
  test) wanted=("${test[@]}") ;;
  flaky) wanted=("${flaky[@]}") ;;
  *) echo "usage: $0 demo|test|flaky" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "Not a Debian system: install GStreamer's RTSP server with its Python bindings, and promtool, by hand." >&2
  exit 0
fi
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "These Debian packages are missing: ${missing[*]}" >&2
  echo "Install them with: sudo apt-get install ${missing[*]}" >&2
  exit 0
fi
echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Keep packages (prometheus, mosquitto) from starting their services: only the programs are needed.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
