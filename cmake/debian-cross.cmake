# Shared settings of Debian's cross compilers; included by the toolchain file of a target, which sets
# `triplet` and `emulator`. SQZ_COMPILER=clang in the environment selects clang with GCC's libraries.
if("$ENV{SQZ_COMPILER}" STREQUAL "clang")
  set(CMAKE_C_COMPILER clang)
  set(CMAKE_CXX_COMPILER clang++)
  set(CMAKE_C_COMPILER_TARGET ${triplet})
  set(CMAKE_CXX_COMPILER_TARGET ${triplet})
else()
  set(CMAKE_C_COMPILER ${triplet}-gcc)
  set(CMAKE_CXX_COMPILER ${triplet}-g++)
endif()
# Tools run here, and libraries are the target's. Headers and CMake packages (pybind11) may be those
# of this machine, because they are the same everywhere.
set(CMAKE_FIND_ROOT_PATH /usr/${triplet})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)
# pybind11 must not ask this machine's Python about the target.
set(PYBIND11_USE_CROSSCOMPILING ON)
if(DEFINED ENV{SQZ_SYSROOT})
  list(APPEND CMAKE_FIND_ROOT_PATH $ENV{SQZ_SYSROOT})
  set(CMAKE_CROSSCOMPILING_EMULATOR ${emulator} -L $ENV{SQZ_SYSROOT})
endif()
