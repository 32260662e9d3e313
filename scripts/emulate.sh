#!/usr/bin/env bash
# Runs the tests with the wheel from scripts/cross.sh, in the board's Python under emulation:
# scripts/emulate.sh aarch64|armv7l|armv6l CPU [pytest arguments]; CPU: qemu's name, such as cortex-a53.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${2:+$1} in
  aarch64) compiler=aarch64-linux-gnu-g++ ;;
  armv7l) compiler=arm-linux-gnueabihf-g++ ;;
  armv6l) compiler=arm-linux-gnueabi-g++ ;;
  *)
    echo "usage: scripts/emulate.sh aarch64|armv7l|armv6l CPU [pytest arguments]" >&2
    exit 2
    ;;
esac
python=$PWD/build/cross/$1/python/bin/python3
# CXX: one test compiles the kernels for the board.
export QEMU_CPU=$2 SQZNET_EMULATED=1 CXX=$compiler
shift 2
# -P: keeps the source folder, which has no compiled modules, from being found first.
exec "$python" -P -m pytest -p no:cacheprovider "${@:-tests}"
