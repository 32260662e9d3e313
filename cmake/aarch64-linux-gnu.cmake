# 64-bit ARM Linux with Debian's cross compiler. A template for other toolchains.
# SQZ_SYSROOT, if set in the environment, is a folder with the target's libraries and Python.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(triplet aarch64-linux-gnu)
set(emulator qemu-aarch64-static)
include(${CMAKE_CURRENT_LIST_DIR}/debian-cross.cmake)
