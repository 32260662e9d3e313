# What Debian's cross compilers have in common: included by the toolchain file of a target, which
# sets `triplet` and `emulator`.
# SQZ_COMPILER=clang in the environment takes clang in place of GCC, with GCC's library.
if("$ENV{SQZ_COMPILER}" STREQUAL "clang")
  set(CMAKE_C_COMPILER clang)
  set(CMAKE_CXX_COMPILER clang++)
  set(CMAKE_C_COMPILER_TARGET ${triplet})
  set(CMAKE_CXX_COMPILER_TARGET ${triplet})
else()
  set(CMAKE_C_COMPILER ${triplet}-gcc)
  set(CMAKE_CXX_COMPILER ${triplet}-g++)
endif()
# Tools run here, libraries are the target's. Headers and CMake packages (pybind11) may be ours,
# for they are the same everywhere.
set(CMAKE_FIND_ROOT_PATH /usr/${triplet})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)
# pybind11 must not ask the Python that runs here about the target.
set(PYBIND11_USE_CROSSCOMPILING ON)
if(DEFINED ENV{SQZ_SYSROOT})
  list(APPEND CMAKE_FIND_ROOT_PATH $ENV{SQZ_SYSROOT})
  set(CMAKE_CROSSCOMPILING_EMULATOR ${emulator} -L $ENV{SQZ_SYSROOT})
endif()
