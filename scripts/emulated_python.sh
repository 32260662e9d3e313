#!/usr/bin/env bash
# Makes a virtual environment by hand whose python3 is the board's, run by qemu:
# scripts/emulated_python.sh aarch64|armv7l FOLDER, after scripts/cross.sh has unpacked the sysroot.
# Debian's NumPy and Pillow are seen from inside it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${1:-} in
  aarch64) emulator=qemu-aarch64-static ;;
  armv7l) emulator=qemu-arm-static ;;
  *)
    echo "usage: scripts/emulated_python.sh aarch64|armv7l FOLDER" >&2
    exit 2
    ;;
esac
sysroot=$PWD/build/cross/$1/sysroot folder=$2
python=$(basename "$sysroot"/usr/bin/python3.?*[0-9])

rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/lib/$python/site-packages"
printf 'home = %s/usr/bin\ninclude-system-site-packages = true\n' "$sysroot" >"$folder/pyvenv.cfg"
# -0 makes sys.executable this script, so that subprocesses are emulated, too.
cat >"$folder/bin/python3" <<END
#!/bin/sh
exec $emulator -0 "\$0" -L $sysroot $sysroot/usr/bin/$python "\$@"
END
chmod +x "$folder/bin/python3"
