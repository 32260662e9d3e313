#!/usr/bin/env bash
# What a board's owner does first, under emulation: scripts/try_wheel.sh aarch64|armv7l [CPU]
# Installs the wheel that scripts/cross.sh has built with the board's own pip into a new
# environment, and names the example photo; fails unless the answer is right.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
[[ -z ${2:-} ]] || export QEMU_CPU=$2
scripts/emulated_python.sh "$1" "$fresh/venv"
# --python: pip runs in that Python, and asks it which wheels it takes.
build/cross/tools/bin/pip --python "$fresh/venv/bin/python3" --disable-pip-version-check \
  install -q --no-index build/cross/"$1"/repaired/*.whl
"$fresh/venv/bin/sqznet" classify examples/coffee.jpg | tee "$fresh/answer"
grep -q '^ *1  espresso ' "$fresh/answer"
