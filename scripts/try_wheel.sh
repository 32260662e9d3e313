#!/usr/bin/env bash
# What a board's owner does first, under emulation: scripts/try_wheel.sh aarch64|armv7l CPU
# Installs the wheel that scripts/cross.sh has built with the board's own pip into a new
# environment, and names the example photo; fails unless the answer is right.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if (($# != 2)); then
  echo "usage: scripts/try_wheel.sh aarch64|armv7l CPU" >&2
  exit 2
fi
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
export QEMU_CPU=$2
scripts/emulated_python.sh "$1" "$fresh/venv"
"$fresh/venv/bin/sqznet" classify examples/coffee.jpg | tee "$fresh/answer"
grep -q '^ *1  espresso ' "$fresh/answer"
