#!/usr/bin/env bash
# The first steps of a board's owner, under emulation: scripts/try_wheel.sh aarch64|armv7l CPU
# Installs the wheel from scripts/cross.sh with the board's pip into a new environment, and classifies
# the example photo; fails unless the answer is correct.
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
