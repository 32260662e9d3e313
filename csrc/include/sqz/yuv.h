// Converts YUV 4:2:0 to RGB, one row at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sqz {

// Coefficients of the conversion from YUV to RGB: the level of black, and the change of a color per
// level of Y, U or V. u_green and v_green are subtracted.
struct YuvMatrix {
  float black, luma, v_red, u_green, v_green, u_blue;
};

namespace yuv {

constexpr int kBlock = 256;  // pixels whose chroma is held on the stack

// Rounds and clamps to 0..255 without a branch, so that compilers can vectorize a loop over it.
inline uint32_t level(float v) {
  int32_t whole = static_cast<int32_t>(v + 0.5f);
  whole &= ~(whole >> 31);
  whole |= (255 - whole) >> 31;
  return static_cast<uint32_t>(whole) & 255;
}

}  // namespace yuv

// Converts the pixels [first, first + count) of a row to bytes of red, green, blue and 0. The
// samples of U and V are `step` bytes apart. Each belongs to two pixels of the row.
inline void yuv_to_rgbx(const uint8_t* luma, const uint8_t* u, const uint8_t* v, ptrdiff_t step,
                        const YuvMatrix& matrix, int first, int count, uint8_t* dst) {
  alignas(64) float red[yuv::kBlock + 2], green[yuv::kBlock + 2], blue[yuv::kBlock + 2];
  for (int begin = first; begin < first + count;) {
    // Each block ends before an even pixel, so all blocks but the first start at an even pixel.
    int end = (begin & ~1) + yuv::kBlock;
    end = end < first + count ? end : first + count;
    int odd = begin & 1;
    for (int i = 0; 2 * i < end - begin + odd; i++) {
      ptrdiff_t sample = (begin / 2 + i) * step;
      float du = static_cast<float>(u[sample]) - 128.0f,
            dv = static_cast<float>(v[sample]) - 128.0f;
      red[2 * i] = red[2 * i + 1] = matrix.v_red * dv;
      green[2 * i] = green[2 * i + 1] = -(matrix.u_green * du + matrix.v_green * dv);
      blue[2 * i] = blue[2 * i + 1] = matrix.u_blue * du;
    }
    const uint8_t* y = luma + begin;
    const float *r = red + odd, *g = green + odd, *b = blue + odd;
    uint32_t pixels[yuv::kBlock];
    for (int i = 0; i < end - begin; i++) {
      float gray = matrix.luma * (static_cast<float>(y[i]) - matrix.black);
      pixels[i] =
          yuv::level(gray + r[i]) | yuv::level(gray + g[i]) << 8 | yuv::level(gray + b[i]) << 16;
    }
    std::memcpy(dst, pixels, 4 * static_cast<size_t>(end - begin));
    dst += 4 * static_cast<ptrdiff_t>(end - begin);
    begin = end;
  }
}

}  // namespace sqz
