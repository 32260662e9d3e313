// Entropy coding of integers, for compressed weights.
//
// rANS with static tables (Duda, arXiv:1311.2540): four states of 64 bits take turns in each row of
// values, and exchange words of 32 bits with one stream. docs/compression.md describes the stream.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sqz {

// An integer is a token, which a table codes, and bits that are coded as they are: magnitudes below
// 16 are tokens of their own, each octave above has eight; the lowest bit is the sign.
constexpr int kTokens = 104;
constexpr int kLargestCoded = (1 << 15) - 1;
constexpr int kTableBits = 12;  // the frequencies of a table add up to 2^12
constexpr int kLanes = 4;

using Frequencies = std::array<std::uint16_t, kTokens>;

// The token of a magnitude up to kLargestCoded.
int token_of(std::uint32_t magnitude);

// A step of weights is 2^(e / 2) of a row times that of a column; all e are in -kStep..kStep.
constexpr int kLargestStep = 63;

class Decoder {
 public:
  // `stream` must outlive the decoder; the frequencies of each table add up to 2^kTableBits.
  // Throws std::invalid_argument if the stream does not begin with valid states.
  Decoder(const unsigned char* stream, std::size_t size, const std::vector<Frequencies>& tables);

  // Decodes a row of `count` integers of one table. Throws std::invalid_argument if the stream ends before.
  void values(std::size_t table, std::size_t count, std::int32_t* out);

  // Decodes weights, row by row. `rows` and `columns` have the exponents of their steps, and what
  // choose the table of a weight: the sum of both, clipped to the tables from `first` on.
  struct Side {
    std::vector<std::int32_t> exponents, classes;
  };
  void weights(const Side& rows, const Side& columns, std::size_t first, float* out);

  // Throws std::invalid_argument unless the stream ends here, in the states that it was begun with.
  void finish() const;

 private:
  struct Table {
    std::array<std::uint8_t, 1 << kTableBits> token;
    std::array<std::uint16_t, kTokens> frequency, start;
  };
  struct Words {
    const unsigned char* next;
    const unsigned char* end;
  };
  static std::int32_t decode(const Table& table, std::uint64_t& state, Words& words);
  // Calls each(i, value) for the values of a row; table(i) is that of a value.
  template <typename ChooseTable, typename Each>
  void row(std::size_t length, ChooseTable table, Each each);

  std::vector<Table> tables_;
  std::array<std::uint64_t, kLanes> states_;
  Words words_;
};

class Encoder {
 public:
  explicit Encoder(const std::vector<Frequencies>& tables);

  // Adds the value at position `i` of a row. Throws std::invalid_argument if the table does not have
  // its token.
  void add(std::size_t i, std::size_t table, std::int32_t value);

  // The stream of all values so far.
  std::vector<unsigned char> stream() const;

 private:
  struct Coded {
    std::uint32_t frequency, start, rest;
    std::uint8_t bits, lane;
  };
  std::vector<Frequencies> frequencies_, starts_;
  std::vector<Coded> coded_;
};

// Yann Collet's XXH64 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
std::uint64_t hash64(const unsigned char* data, std::size_t size, std::uint64_t seed);

}  // namespace sqz
