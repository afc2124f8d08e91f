#!/usr/bin/env bash
# shot.sh PAGE OUT.png [WIDTH HEIGHT]: a picture of a page (address or file) as chromium shows it
set -euo pipefail
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
case $1 in *://*) page=$1 ;; *) page=file://$(realpath "$1") ;; esac
"${CHROMIUM:-chromium}" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
  --disable-component-update --disable-sync --user-data-dir="$profile" --hide-scrollbars --window-size="${3:-1280},${4:-900}" \
  --virtual-time-budget=6000 --screenshot="$2" "$page" 2>/dev/null
