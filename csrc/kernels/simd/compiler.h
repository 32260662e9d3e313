// Compiler-specific macros for inlining and unrolling, and macros derived from the instruction set
// that CMakeLists.txt selects.
#pragma once

#if defined(_MSC_VER)
#define SQZ_INLINE static __forceinline
#define SQZ_NOINLINE static __declspec(noinline)
#else
#define SQZ_NOINLINE static __attribute__((noinline))
#define SQZ_INLINE static inline __attribute__((always_inline))
#endif

#if defined(__clang__)
#define SQZ_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define SQZ_UNROLL _Pragma("GCC unroll 16")
#else
#define SQZ_UNROLL
#endif

// AArch64's NEON. It has 32 registers, loads of four registers, and multiplication by a lane.
#if defined(SQZ_ISA_NEON) && (defined(__aarch64__) || defined(_M_ARM64))
#define SQZ_AARCH64
#endif

// Unrolls loops whose values fit into 32 registers, but not into 16.
#if defined(SQZ_AARCH64) || defined(SQZ_ISA_AVX512)
#define SQZ_UNROLL_WIDE SQZ_UNROLL
#else
#define SQZ_UNROLL_WIDE
#endif

// Unrolls loops whose overhead is a large part of their time on NEON, where instructions have few
// operands.
#if defined(SQZ_ISA_NEON) && defined(__GNUC__) && !defined(__clang__)
#define SQZ_UNROLL_TWICE _Pragma("GCC unroll 2")
#else
#define SQZ_UNROLL_TWICE
#endif

// Converts the value of a macro to a string literal.
#define SQZ_TEXT_OF(x) #x
#define SQZ_TEXT(x) SQZ_TEXT_OF(x)
