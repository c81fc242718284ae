#!/usr/bin/env bash
# Builds the book in both languages, and the index for its search, into docs/book.
#
#   docs/build.sh          build
#   docs/build.sh serve    build, and show it at http://localhost:3000/docs/book/ (or: docs/build.sh serve 8080)
#
# It needs cargo, and node with npm for the search. It installs mdBook and Pagefind, once, into target/tools (or $BOOK_TOOLS).
set -euo pipefail
cd "$(dirname "$0")/.."

mdbook_version=0.5.4
pagefind_version=1.5.2
tools=${BOOK_TOOLS:-target/tools}

mdbook=mdbook
if [ "$(mdbook --version 2>/dev/null)" != "mdbook v$mdbook_version" ]; then
  mdbook=$tools/bin/mdbook
  if [ "$("$mdbook" --version 2>/dev/null)" != "mdbook v$mdbook_version" ]; then
    echo "installing mdBook $mdbook_version into $tools; this takes some minutes, once"
    cargo install --quiet --locked --no-default-features --root "$tools" --target-dir "$tools/build" "mdbook@$mdbook_version"
    rm -rf "$tools/build"
  fi
fi

rm -rf docs/book
for language in ko en; do
  MDBOOK_LOG=warn "$mdbook" build "docs/$language"
  rm "docs/book/$language/book.toml" # mdBook copies all that is not a page
done
cp docs/theme/index.html docs/book

# What mdBook does not know: README.md is index.html in the book, and the repository is not in it.
repository=../../..
[ -z "${GITHUB_SHA:-}" ] || repository=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/blob/$GITHUB_SHA
repository=$repository perl -pi -e '
  s{href="((?:\.\./(?:ko|en)/)?)README\.html}{href="$1index.html}g;
  s{href="\.\./(?!ko/|en/|theme/)(\.\./)?([^"]*)}{"href=\"$ENV{repository}/" . ($1 ? "" : "docs/") . $2 =~ s/\.html/.md/r}ge;
' docs/book/{ko,en}/*.html

if command -v npm >/dev/null; then
  pagefind=$tools/node_modules/.bin/pagefind
  if [ "$("$pagefind" --version 2>/dev/null)" != "pagefind $pagefind_version" ]; then
    npm install --prefix "$tools" --no-save --no-audit --no-fund --loglevel=error "pagefind@$pagefind_version"
  fi
  "$pagefind" --silent --site docs/book --root-selector main # not the list of contents, and no page without text
else
  echo "npm is not installed: the book has no search"
fi
echo "built docs/book/ko and docs/book/en"

if [ "${1:-}" = serve ]; then
  port=${2:-3000}
  echo "http://localhost:$port/docs/book/  (Ctrl-C stops it)"
  exec python3 -m http.server "$port" --bind 127.0.0.1
fi
