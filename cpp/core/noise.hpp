// Isotropic noise for a step: standard normal numbers, or a point of the unit sphere.
//
// Element i of step k is made, by the method of Box & Muller (1958), from the words 2m and 2m + 1, m = floor(i / 2), of
// numpy.random.Philox(key=[seed, run], counter=[0, 1, k, 0]).random_raw():
//   u = (floor(word / 2^11) + 1/2) / 2^53,   z_2m = sqrt(-2 log u_1) cos(2 pi u_2),   z_2m+1 the same with sin.
// So it depends on (seed, run, step, i) alone. Everything is computed in double and rounded to T at the end.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

#include "philox.hpp"
#include "streams.hpp"

namespace etaflow {

namespace detail {

inline constexpr std::size_t noise_chunk = 128;  // normals made at a time: 2 KB of stack

// In (0, 1]; the largest words give 1 by rounding.
[[gnu::always_inline]] inline double unit_interval(std::uint64_t word) {
    return (static_cast<double>(static_cast<std::int64_t>(word >> 11)) + 0.5) * 0x1p-53;
}

// noise_chunk words -> as many normals.
inline void box_muller(const std::uint64_t* words, double* z) {
    for (std::size_t i = 0; i < noise_chunk; i += 2) {
        const double radius = std::sqrt(-2 * std::log(unit_interval(words[i])));
        const double angle = 2 * std::numbers::pi * unit_interval(words[i + 1]);
        z[i] = radius * std::cos(angle);
        z[i + 1] = radius * std::sin(angle);
    }
}

// Calls use(i, z_i) for the first `count` normals of a step.
template <class Use>
inline void for_each_normal(PhiloxKey key, std::uint64_t step, std::size_t count, Use use) {
    std::uint64_t words[noise_chunk] = {};
    double z[noise_chunk];
    for (std::size_t begin = 0; begin < count; begin += noise_chunk) {
        const std::size_t size = std::min(noise_chunk, count - begin);
        philox_words(key, {0, noise_stream, step, 0}, begin, size + size % 2, words);
        box_muller(words, z);
        for (std::size_t i = 0; i < size; ++i) use(begin + i, z[i]);
    }
}

}  // namespace detail

// Element i of N(0, I) in R^count goes to out[i * stride].
template <class T>
void gaussian_noise(std::uint64_t seed, std::uint64_t run, std::uint64_t step, std::size_t count, T* out,
                    std::ptrdiff_t stride) {
    detail::for_each_normal({seed, run}, step, count, [=](std::size_t i, double z) {
        out[static_cast<std::ptrdiff_t>(i) * stride] = static_cast<T>(z);
    });
}

// A uniform point of the unit sphere of R^count: the normals, rounded to T, over their Euclidean norm. All zeros if
// every normal is 0, which happens with probability 2^-53 for count = 1 and less for others.
template <class T>
void sphere_noise(std::uint64_t seed, std::uint64_t run, std::uint64_t step, std::size_t count, T* out,
                  std::ptrdiff_t stride) {
    double norm2 = 0;
    detail::for_each_normal({seed, run}, step, count, [&](std::size_t i, double z) {
        norm2 += z * z;
        out[static_cast<std::ptrdiff_t>(i) * stride] = static_cast<T>(z);
    });
    const double scale = norm2 > 0 ? 1 / std::sqrt(norm2) : 0;
    for (std::size_t i = 0; i < count; ++i, out += stride) *out = static_cast<T>(*out * scale);
}

}  // namespace etaflow
