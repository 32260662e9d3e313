#!/usr/bin/env bash
# Makes a virtual environment by hand in which python3 is the board's, run by qemu, and installs the
# wheel there with the board's pip: scripts/emulated_python.sh aarch64|armv7l|armv6l FOLDER, after
# scripts/cross.sh has built both. The environment includes Debian's NumPy and Pillow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${1:-} in
  aarch64) emulator=qemu-aarch64-static cpu=cortex-a53 ;;
  armv7l) emulator=qemu-arm-static cpu=cortex-a7 ;;
  armv6l) emulator=qemu-arm-static cpu=arm1176 ;;
  *)
    echo "usage: scripts/emulated_python.sh aarch64|armv7l|armv6l FOLDER" >&2
    exit 2
    ;;
esac
cross=$PWD/build/cross folder=$2
sysroot=$cross/$1/sysroot python=python3.11

rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/lib/$python/site-packages"
printf 'home = %s/usr/bin\ninclude-system-site-packages = true\n' "$sysroot" >"$folder/pyvenv.cfg"
# -0 makes sys.executable this script, so that subprocesses are emulated too.
cat >"$folder/bin/python3" <<END
#!/bin/sh
exec $emulator -0 "\$0" -L $sysroot $sysroot/usr/bin/$python "\$@"
END
chmod +x "$folder/bin/python3"

# pip reads the board's ABI from sys.executable, so here it must not be a script.
ln -s "$sysroot/usr/bin/$python" "$folder/bin/board"
QEMU_CPU=$cpu $emulator -0 "$folder/bin/board" -L "$sysroot" "$sysroot/usr/bin/$python" \
  "$cross/tools/lib/$python/site-packages/pip/__pip-runner__.py" \
  --disable-pip-version-check install -q --no-index "$cross/$1"/repaired/*.whl
rm "$folder/bin/board"
sed -i "1s|.*|#!$folder/bin/python3|" "$folder/bin/sqznet"
