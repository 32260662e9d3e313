// The register types and operations of the int8 kernels; see vec.h for the rules of such files.
//
// A product takes one input word: the bytes of four adjacent channels of a pixel, or two channels as
// words of 16 bits. It is the same in all lanes. Each lane multiplies it with the weights of its own
// output channel and adds all products to its 32-bit sum.
//
// Each dot_<isa>.h defines
//   kSums                      sums in a register
//   kGroup                     channels of an input word: 4 or 2
//   kRegisters                 registers in a block of output channels: what one call computes
//   kTall, kWide               pixels in a register tile with 1 or 2 registers of a block, and with
//                              3 or 4
//   Weight, Input              int8_t and uint8_t where kGroup is 4, int16_t and uint16_t where it is 2
//   Sums, Word, Weights        the registers: load_sums, store_sums, add_sums, max_sums (with 0),
//                              broadcast_word, load_weights, dot
//   kListRegisters             registers in a block of the classifier, whose weights are read at
//                              random and must fit into the first cache
//   store_bytes<n>             n registers of sums times scale, rounded and clipped to 0..255
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/simd/compiler.h"

#if defined(SQZ_ISA_AVX512_VNNI)
#include "kernels/simd/dot_avx512_vnni.h"
#elif defined(SQZ_ISA_AVX_VNNI) || defined(SQZ_ISA_AVX2)
#include "kernels/simd/dot_avx2.h"
#else
#include "kernels/simd/dot_scalar.h"
#endif
