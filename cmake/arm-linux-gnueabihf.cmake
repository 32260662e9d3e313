# 32-bit ARM Linux, ARMv7 with hardware floating point (Debian armhf): the baseline is 16 double
# registers without NEON; NEON kernels are chosen at run time. A template for other toolchains.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(triplet arm-linux-gnueabihf)
set(emulator qemu-arm-static)
include(${CMAKE_CURRENT_LIST_DIR}/debian-cross.cmake)
