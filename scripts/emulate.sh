#!/usr/bin/env bash
# Runs the tests on the wheel that scripts/cross.sh has built, in the board's Python under emulation:
# scripts/emulate.sh aarch64|armv7l CPU [pytest arguments]; CPU as qemu names it, such as cortex-a53.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${2:+$1} in
  aarch64) compiler=aarch64-linux-gnu-g++ ;;
  armv7l) compiler=arm-linux-gnueabihf-g++ ;;
  *)
    echo "usage: scripts/emulate.sh aarch64|armv7l CPU [pytest arguments]" >&2
    exit 2
    ;;
esac
python=$PWD/build/cross/$1/python/bin/python3
# CXX: one test compiles the kernels, for the board.
export QEMU_CPU=$2 SQZNET_EMULATED=1 CXX=$compiler
shift 2
# -P: not from the source folder, which has no compiled modules and would be found first.
exec "$python" -P -m pytest -p no:cacheprovider "${@:-tests}"
