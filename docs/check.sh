#!/usr/bin/env bash
# The book as a reader gets it: installs what that takes, builds it, and reads it in a browser. `cargo test` checks the
# pages themselves. With a folder as its argument, it puts screenshots there.
set -euo pipefail
cd "$(dirname "$0")/.."

need=()
command -v node >/dev/null || need+=(nodejs npm)
if [ -z "${CHROMIUM:-}" ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then
  need+=(chromium)
fi
if [ "$(uname)" = Linux ] && ! fc-list :lang=ko 2>/dev/null | grep -q .; then
  need+=(fontconfig fonts-noto-cjk) # without a Korean font there is nothing to see on the screenshots
fi
if [ ${#need[@]} -gt 0 ]; then
  echo "installing from Debian's packages: ${need[*]}"
  as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
fi

docs/build.sh
node docs/browser/test.mjs "$@"
