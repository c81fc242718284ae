#!/usr/bin/env bash
# Builds the two books, and the index in which Korean and English words are found, into docs/book.
#
#   docs/build.sh          build
#   docs/build.sh serve    build, and show at http://localhost:3000 (or: docs/build.sh serve 8080)
#
# It needs cargo, and node (18 or later) with npm. Everything else it installs, once, and says so:
# mdBook into target/tools (or $BOOK_TOOLS), Pagefind into docs/browser/node_modules.
set -euo pipefail
cd "$(dirname "$0")/.."

mdbook_version=0.5.4
tools=${BOOK_TOOLS:-target/tools}

for program in cargo node npm; do
  command -v "$program" >/dev/null || { echo "docs/build.sh: needs $program: install it first" >&2; exit 1; }
done

mdbook=mdbook
if [ "$(mdbook --version 2>/dev/null || true)" != "mdbook v$mdbook_version" ]; then
  mdbook=$tools/bin/mdbook
  if [ "$("$mdbook" --version 2>/dev/null || true)" != "mdbook v$mdbook_version" ]; then
    echo "installing mdBook $mdbook_version from crates.io into $tools; this takes some minutes, once"
    cargo install --quiet --locked --no-default-features --root "$tools" --target-dir "$tools/build" "mdbook@$mdbook_version"
    rm -rf "$tools/build"
  fi
fi

modules=docs/browser/node_modules
if ! cmp -s docs/browser/package-lock.json "$modules/.installed"; then
  echo "installing Pagefind and playwright-core from npm into $modules"
  npm ci --prefix docs/browser --no-audit --no-fund --loglevel=error
  cp docs/browser/package-lock.json "$modules/.installed"
fi

for language in ko en; do
  MDBOOK_LOG=warn "$mdbook" build "docs/$language"
  # In the template only the name of the source is known: the link to the twin page is made here.
  perl -pi -e 's{((?:hreflang|lang)="\w+" href="[^"]*)\.md"}{$1.html"}' "docs/book/$language"/*.html
done
rm -rf docs/book/theme docs/book/pagefind
mkdir docs/book/theme
cp docs/theme/book.css docs/theme/book.js docs/theme/favicon.svg docs/book/theme
cp docs/theme/index.html docs/book
"$modules/.bin/pagefind" --silent --site docs/book
echo "built docs/book/ko and docs/book/en"

if [ "${1:-}" = serve ]; then
  port=${2:-3000}
  echo "http://localhost:$port  (Ctrl-C stops it)"
  exec python3 -m http.server "$port" --bind 127.0.0.1 --directory docs/book
fi
