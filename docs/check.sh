#!/usr/bin/env bash
# Builds the book and reads it in Chromium; installs what that takes. With a folder as its argument, it puts screenshots there.
set -euo pipefail
cd "$(dirname "$0")/.."
export BOOK_TOOLS=${BOOK_TOOLS:-$PWD/target/tools}
playwright=playwright-core@1.61.1 # the last for Node.js 18, which Debian 12 has

need=()
command -v npm >/dev/null || need+=(nodejs npm)
[ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || need+=(chromium)
if [ ${#need[@]} -gt 0 ]; then
  as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
fi

docs/build.sh
[ -d "$BOOK_TOOLS/browser" ] || npm install --prefix "$BOOK_TOOLS/browser" --no-audit --no-fund --loglevel=error "$playwright"
node docs/browser/test.mjs "$@"
