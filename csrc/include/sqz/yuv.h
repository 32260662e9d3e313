// YUV 4:2:0 to RGB, a row at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sqz {

// RGB from YUV: what a level of luma adds to each color, one of V to red, and so on.
struct YuvMatrix {
  float black, luma, v_red, u_green, v_green, u_blue;
};

namespace yuv {

constexpr int kBlock = 256;  // pixels whose chroma is on the stack at a time

// Rounded and clamped without a branch, so that compilers take several pixels at once.
inline uint32_t level(float v) {
  int32_t whole = static_cast<int32_t>(v + 0.5f);
  whole &= ~(whole >> 31);
  whole |= (255 - whole) >> 31;
  return static_cast<uint32_t>(whole) & 255;
}

}  // namespace yuv

// Convert the pixels first..first + count of a row to red, green, blue and nothing, a byte each; the
// samples of U and V lie `step` bytes apart, and each counts for two pixels.
inline void yuv_to_rgbx(const uint8_t* luma, const uint8_t* u, const uint8_t* v, ptrdiff_t step,
                        const YuvMatrix& m, int first, int count, uint8_t* dst) {
  alignas(64) float red[yuv::kBlock + 2], green[yuv::kBlock + 2], blue[yuv::kBlock + 2];
  for (int begin = first; begin < first + count;) {
    // Blocks end before an even pixel, so that all but the first begin with one.
    int end = (begin & ~1) + yuv::kBlock;
    end = end < first + count ? end : first + count;
    int odd = begin & 1;
    for (int i = 0; 2 * i < end - begin + odd; i++) {
      ptrdiff_t at = (begin / 2 + i) * step;
      float du = static_cast<float>(u[at]) - 128.0f, dv = static_cast<float>(v[at]) - 128.0f;
      red[2 * i] = red[2 * i + 1] = m.v_red * dv;
      green[2 * i] = green[2 * i + 1] = -(m.u_green * du + m.v_green * dv);
      blue[2 * i] = blue[2 * i + 1] = m.u_blue * du;
    }
    const uint8_t* y = luma + begin;
    const float *r = red + odd, *g = green + odd, *b = blue + odd;
    uint32_t pixels[yuv::kBlock];
    for (int i = 0; i < end - begin; i++) {
      float gray = m.luma * (static_cast<float>(y[i]) - m.black);
      pixels[i] =
          yuv::level(gray + r[i]) | yuv::level(gray + g[i]) << 8 | yuv::level(gray + b[i]) << 16;
    }
    std::memcpy(dst, pixels, 4 * static_cast<size_t>(end - begin));
    dst += 4 * static_cast<ptrdiff_t>(end - begin);
    begin = end;
  }
}

}  // namespace sqz
