#!/usr/bin/env bash
# The Windows programs under Wine: the unit tests, and the checker's list against each server.
# Needs wine and x86_64-w64-mingw32-gcc; it takes some minutes, so .ci/run leaves it out.
set -euo pipefail
cd "$(dirname "$0")/.."
rustup target add x86_64-pc-windows-gnu
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
programs=$target/x86_64-pc-windows-gnu/debug
packages=(-p common -p tcp-echo -p udp-echo -p threaded-echo)
mkdir -p "$target/wine"
export WINEPREFIX=$target/wine/prefix WINEDEBUG=-all WINEPATH=Z:$target/wine
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=wine

# Rust's std takes its random numbers from a library that Wine 8 lacks: this one asks Wine's own generator.
cat >"$target/wine/random.c" <<'END'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID bytes, ULONG len); /* RtlGenRandom */
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T len) {
    return SystemFunction036(bytes, (ULONG)len);
}
END
x86_64-w64-mingw32-gcc -shared -o "$target/wine/bcryptprimitives.dll" "$target/wine/random.c" -ladvapi32

cargo test --target x86_64-pc-windows-gnu "${packages[@]}" --lib --bins
cargo build --target x86_64-pc-windows-gnu "${packages[@]}" --bins
cargo build -p checker

check() { # PATTERN PROGRAM [FLAG]... [-- FLAG-OF-THE-CHECKER]...
  local pattern=$1 program=$2 flags=()
  shift 2
  while [ $# -gt 0 ] && [ "$1" != -- ]; do flags+=("$1"); shift; done
  printf '\n== %s %s %s\n' "$program" "${flags[*]}" "${*:2}"
  "$target/debug/checker" "$pattern" "${@:2}" --exact-errors --timeout 10 --lang en \
    --start "wine $programs/$program.exe --quiet --address {address} ${flags[*]} ${*:2}"
}
for framing in "--framing chunk" "--framing line" "--framing raw" --prefix=; do
  check tcp tcp-echo -- $framing
  check threaded threaded-echo -- $framing
done
check threaded threaded-echo --workers 4
for mode in "" --raw --prefix=; do check udp udp-echo -- $mode; done
