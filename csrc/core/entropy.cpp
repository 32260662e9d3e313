#include "core/entropy.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

namespace sqz {
namespace {

// States are at least this; a word is taken or given when one would leave its range.
constexpr std::uint64_t kLeast = std::uint64_t{1} << 31;
constexpr std::uint32_t kSlots = 1u << kTableBits;

// Magnitudes below 2^kPlainBits are tokens; octaves above have 2^kParts tokens each.
constexpr int kPlainBits = 4, kParts = 3;

// What follows each token: its smallest magnitude, and the number of bits, with the sign.
struct Shape {
  std::uint16_t base;
  std::uint8_t bits;
};

std::array<Shape, kTokens> shapes() {
  std::array<Shape, kTokens> made{};
  for (int token = 0; token < kTokens; ++token) {
    const int above = token - (1 << kPlainBits);
    if (above < 0) {
      made[token] = {static_cast<std::uint16_t>(token), static_cast<std::uint8_t>(token > 0)};
      continue;
    }
    const int octave = kPlainBits + (above >> kParts), part = above & ((1 << kParts) - 1);
    const int base = ((1 << kParts) + part) << (octave - kParts);
    made[token] = {static_cast<std::uint16_t>(base),
                   static_cast<std::uint8_t>(octave - kParts + 1)};
  }
  return made;
}

const std::array<Shape, kTokens> kShapes = shapes();

// Little-endian, wherever it runs.
template <typename T>
T word(const unsigned char* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(from[i]) << (8 * i);
  return value;
}

template <typename T>
void append(std::vector<unsigned char>& to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    to.push_back(static_cast<unsigned char>(value >> (8 * i)));
}

Frequencies starts_of(const Frequencies& frequencies) {
  if (std::accumulate(frequencies.begin(), frequencies.end(), 0u) != kSlots)
    throw std::invalid_argument("the frequencies of a table do not add up");
  Frequencies starts;
  std::exclusive_scan(frequencies.begin(), frequencies.end(), starts.begin(), std::uint16_t{0});
  return starts;
}

// 2^(e / 2) for e from -2 * kLargestStep to 2 * kLargestStep.
std::array<float, 4 * kLargestStep + 1> steps() {
  std::array<float, 4 * kLargestStep + 1> made{};
  for (int e = -2 * kLargestStep; e <= 2 * kLargestStep; ++e) {
    const int whole = (e + 4 * kLargestStep) / 2 - 2 * kLargestStep;  // rounded down
    made[e + 2 * kLargestStep] = std::ldexp(e & 1 ? 1.41421356237f : 1.0f, whole);
  }
  return made;
}

}  // namespace

int token_of(std::uint32_t magnitude) {
  if (magnitude < 1u << kPlainBits) return static_cast<int>(magnitude);
  int octave = kPlainBits;
  while (magnitude >> (octave + 1)) ++octave;
  const int part = (magnitude >> (octave - kParts)) & ((1 << kParts) - 1);
  return (1 << kPlainBits) + ((octave - kPlainBits) << kParts) + part;
}

Decoder::Decoder(const unsigned char* stream, std::size_t size,
                 const std::vector<Frequencies>& tables)
    : tables_(tables.size()), words_{stream, stream + size} {
  for (std::size_t i = 0; i < tables.size(); ++i) {
    Table& table = tables_[i];
    table.frequency = tables[i];
    table.start = starts_of(tables[i]);
    auto slot = table.token.begin();
    for (int token = 0; token < kTokens; ++token)
      slot = std::fill_n(slot, tables[i][token], static_cast<std::uint8_t>(token));
  }
  if (size < sizeof states_) throw std::invalid_argument("the stream is too short");
  for (std::uint64_t& state : states_) {
    state = word<std::uint64_t>(words_.next);
    words_.next += sizeof state;
    if (state < kLeast || state >> 63) throw std::invalid_argument("the stream is damaged");
  }
}

inline std::int32_t Decoder::decode(const Table& table, std::uint64_t& state, Words& words) {
  const std::uint32_t slot = state & (kSlots - 1);
  const std::uint8_t token = table.token[slot];
  const Shape shape = kShapes[token];
  // At least 2^19 before the bits and 2^7 after them, so that one word is enough.
  std::uint64_t x = table.frequency[token] * (state >> kTableBits) + slot - table.start[token];
  const std::uint32_t rest = x & ((1u << shape.bits) - 1);
  x >>= shape.bits;
  if (x < kLeast) {
    if (words.end - words.next < 4) throw std::invalid_argument("the stream ends too early");
    x = x << 32 | word<std::uint32_t>(words.next);
    words.next += 4;
  }
  state = x;
  const std::int32_t sign = -static_cast<std::int32_t>(rest & 1);
  const std::int32_t magnitude = shape.base + static_cast<std::int32_t>(rest >> 1);
  return (magnitude ^ sign) - sign;
}

template <typename ChooseTable, typename Each>
void Decoder::row(std::size_t length, ChooseTable table, Each each) {
  // In registers, and one lane's steps do not wait for another's.
  static_assert(kLanes == 4);
  auto [a, b, c, d] = states_;
  Words words = words_;
  const auto one = [&](std::size_t i, std::uint64_t& state) {
    each(i, decode(table(i), state, words));
  };
  std::size_t i = 0;
  for (; i + kLanes <= length; i += kLanes) one(i, a), one(i + 1, b), one(i + 2, c), one(i + 3, d);
  if (i < length) one(i, a);
  if (i + 1 < length) one(i + 1, b);
  if (i + 2 < length) one(i + 2, c);
  states_ = {a, b, c, d};
  words_ = words;
}

void Decoder::values(std::size_t table, std::size_t count, std::int32_t* out) {
  const auto only = [&](std::size_t) -> const Table& { return tables_[table]; };
  row(count, only, [&](std::size_t i, std::int32_t value) { out[i] = value; });
}

void Decoder::weights(const Side& rows, const Side& columns, std::size_t first, float* out) {
  static const auto kSteps = steps();
  const int last = static_cast<int>(tables_.size() - first) - 1;
  const Table* tables = tables_.data() + first;
  const std::size_t length = columns.exponents.size();
  for (std::size_t o = 0; o < rows.exponents.size(); ++o, out += length) {
    const float* step = kSteps.data() + 2 * kLargestStep + rows.exponents[o];
    const std::int32_t own = rows.classes[o];
    const auto table = [&](std::size_t i) -> const Table& {
      return tables[std::clamp(own + columns.classes[i], 0, last)];
    };
    row(length, table, [&](std::size_t i, std::int32_t value) {
      out[i] = static_cast<float>(value) * step[columns.exponents[i]];
    });
  }
}

void Decoder::finish() const {
  const bool begun = std::all_of(states_.begin(), states_.end(),
                                 [](std::uint64_t state) { return state == kLeast; });
  if (words_.next != words_.end || !begun)
    throw std::invalid_argument("the stream does not end where it should");
}

Encoder::Encoder(const std::vector<Frequencies>& tables) : frequencies_(tables) {
  for (const Frequencies& frequencies : tables) starts_.push_back(starts_of(frequencies));
}

void Encoder::add(std::size_t i, std::size_t table, std::int32_t value) {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(value < 0 ? -value : value);
  if (magnitude > kLargestCoded) throw std::invalid_argument("a value is too large to be coded");
  const int token = token_of(magnitude);
  const std::uint32_t frequency = frequencies_[table][token];
  if (!frequency) throw std::invalid_argument("the table does not have the value");
  const Shape shape = kShapes[token];
  const std::uint32_t rest = shape.bits ? (magnitude - shape.base) << 1 | (value < 0) : 0;
  coded_.push_back(
      {frequency, starts_[table][token], rest, shape.bits, static_cast<std::uint8_t>(i % kLanes)});
}

std::vector<unsigned char> Encoder::stream() const {
  // A decoder undoes the last step of the encoder first.
  std::array<std::uint64_t, kLanes> states;
  states.fill(kLeast);
  std::vector<std::uint32_t> words;
  for (std::size_t i = coded_.size(); i-- > 0;) {
    const Coded& coded = coded_[i];
    std::uint64_t& state = states[coded.lane];
    // The largest state that stays below 2^63 with this value.
    const std::uint64_t limit = static_cast<std::uint64_t>(coded.frequency)
                                << (63 - kTableBits - coded.bits);
    if (state >= limit) {
      words.push_back(static_cast<std::uint32_t>(state));
      state >>= 32;
    }
    state = state << coded.bits | coded.rest;
    state = (state / coded.frequency << kTableBits) + state % coded.frequency + coded.start;
  }
  std::vector<unsigned char> out;
  for (const std::uint64_t state : states) append(out, state);
  for (std::size_t i = words.size(); i-- > 0;) append(out, words[i]);
  return out;
}

namespace {

constexpr std::uint64_t kPrimes[] = {0,
                                     0x9E3779B185EBCA87,
                                     0xC2B2AE3D27D4EB4F,
                                     0x165667B19E3779F9,
                                     0x85EBCA77C2B2AE63,
                                     0x27D4EB2F165667C5};

std::uint64_t rotated(std::uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

std::uint64_t round(std::uint64_t sum, std::uint64_t lane) {
  return rotated(sum + lane * kPrimes[2], 31) * kPrimes[1];
}

}  // namespace

std::uint64_t hash64(const unsigned char* data, std::size_t size, std::uint64_t seed) {
  const unsigned char* const end = data + size;
  std::uint64_t hash = seed + kPrimes[5];
  if (size >= 32) {
    std::uint64_t sums[] = {seed + kPrimes[1] + kPrimes[2], seed + kPrimes[2], seed,
                            seed - kPrimes[1]};
    for (; end - data >= 32; data += 32)
      for (int i = 0; i < 4; ++i) sums[i] = round(sums[i], word<std::uint64_t>(data + 8 * i));
    hash = rotated(sums[0], 1) + rotated(sums[1], 7) + rotated(sums[2], 12) + rotated(sums[3], 18);
    for (const std::uint64_t sum : sums) hash = (hash ^ round(0, sum)) * kPrimes[1] + kPrimes[4];
  }
  hash += size;
  for (; end - data >= 8; data += 8)
    hash = rotated(hash ^ round(0, word<std::uint64_t>(data)), 27) * kPrimes[1] + kPrimes[4];
  if (end - data >= 4) {
    hash = rotated(hash ^ word<std::uint32_t>(data) * kPrimes[1], 23) * kPrimes[2] + kPrimes[3];
    data += 4;
  }
  for (; data != end; ++data) hash = rotated(hash ^ *data * kPrimes[5], 11) * kPrimes[1];
  hash = (hash ^ hash >> 33) * kPrimes[2];
  hash = (hash ^ hash >> 29) * kPrimes[3];
  return hash ^ hash >> 32;
}

}  // namespace sqz
