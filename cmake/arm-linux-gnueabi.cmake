# 32-bit ARM Linux, ARMv6 with VFPv2, as in the first Raspberry Pi and the Zero, with Debian armel's
# cross compiler: floating-point instructions as on Raspberry Pi OS, but arguments of functions are
# passed in integer registers. NEON kernels are chosen at run time, on later boards.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv6l)
set(CMAKE_CXX_FLAGS_INIT "-march=armv6 -mfpu=vfp -mfloat-abi=softfp")
set(triplet arm-linux-gnueabi)
set(emulator qemu-arm-static)
include(${CMAKE_CURRENT_LIST_DIR}/debian-cross.cmake)
