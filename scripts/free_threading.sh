#!/usr/bin/env bash
# Builds a Python without the global lock in build/free-threading/python, unless it exists. Debian has
# no package of it; the source is that of Debian 13. Installs missing system packages (and only then
# needs root).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$PWD/build/free-threading
[[ ! -x $work/python/bin/python3.13t ]] || exit 0

version=3.13.5
url=http://deb.debian.org/debian/pool/main/p/python3.13/python3.13_$version.orig.tar.xz
sha256=93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640

missing=()
command -v gcc >/dev/null || missing+=(gcc)
command -v make >/dev/null || missing+=(make)
for header in zlib ffi; do
  echo "#include <$header.h>" | gcc -E - >/dev/null 2>&1 || missing+=("lib$header-dev")
done
missing=("${missing[@]/libzlib-dev/zlib1g-dev}")
if ((${#missing[@]})); then
  as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

rm -rf "$work"
mkdir -p "$work/source"
python3 - "$url" "$sha256" "$work/source" <<'END'
import hashlib, io, sys, tarfile, urllib.request

url, expected, folder = sys.argv[1:]
content = urllib.request.urlopen(url).read()
found = hashlib.sha256(content).hexdigest()
if found != expected:
    sys.exit(f"{url}: sha256 is {found}, expected {expected}")
tarfile.open(fileobj=io.BytesIO(content)).extractall(folder)  # safe: the hash matches
END
cd "$work"/source/*/
echo "building Python $version without its global lock"
./configure -q --disable-gil --without-ensurepip --disable-test-modules --prefix="$work/python" \
  >"$work/log" 2>&1 || { tail -n 20 "$work/log" && exit 1; }
{ make -s -j"$(nproc)" && make -s install; } >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" && exit 1; }
rm -rf "$work/source"
