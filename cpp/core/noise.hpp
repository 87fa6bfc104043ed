// Isotropic noise for a step: standard normal numbers, or a point of the unit sphere.
//
// Element i of step k is made, by the method of Box & Muller (1958), from the words 2m and 2m + 1, m = floor(i / 2), of
// numpy.random.Philox(key=[seed, run], counter=[0, stream, k, 0]).random_raw(), stream 1 unless said otherwise:
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
#include "vector_math.hpp"
#include "vector_trigonometry.hpp"

namespace etaflow {

namespace detail {

inline constexpr std::size_t noise_chunk = 128;  // normals made at a time: 2 KB of stack

// In (0, 1]; the largest words give 1 by rounding.
[[gnu::always_inline]] inline double unit_interval(std::uint64_t word) {
    return (static_cast<double>(static_cast<std::int64_t>(word >> 11)) + 0.5) * 0x1p-53;
}

// Element 2m is first[m], element 2m + 1 is second[m].
struct Normals {
    alignas(vector_bytes) double first[noise_chunk / 2], second[noise_chunk / 2];
};

// Whole vectors, so that an element is computed by the same instructions wherever a request ends.
[[gnu::noinline]] inline void box_muller(const std::uint64_t (&words)[noise_chunk], std::size_t pairs, Normals& z) {
    const std::size_t padded = (pairs + lanes<double> - 1) / lanes<double> * lanes<double>;
    for (std::size_t m = 0; m < padded; ++m) {
        z.first[m] = unit_interval(words[2 * m]);
        z.second[m] = unit_interval(words[2 * m + 1]);
    }
    for (std::size_t m = 0; m < padded; m += lanes<double>) {
        const Vec<double> radius = sqrt(-2.0 * log(load(z.first + m)));
        const SinCos<double> angle = sincos(2 * std::numbers::pi * load(z.second + m));
        store(z.first + m, radius * angle.cos);
        store(z.second + m, radius * angle.sin);
    }
}

// Calls use(i, z_i) for the first `count` normals of a step.
template <class Use>
inline void for_each_normal(PhiloxKey key, std::uint64_t stream, std::uint64_t step, std::size_t count, Use use) {
    std::uint64_t words[noise_chunk] = {};
    Normals z;
    for (std::size_t begin = 0; begin < count; begin += noise_chunk) {
        const std::size_t size = std::min(noise_chunk, count - begin), pairs = size / 2;
        philox_words(key, {0, stream, step, 0}, begin, size + size % 2, words);
        box_muller(words, (size + 1) / 2, z);
        for (std::size_t m = 0; m < pairs; ++m) {
            use(begin + 2 * m, z.first[m]);
            use(begin + 2 * m + 1, z.second[m]);
        }
        if (size % 2 != 0) use(begin + size - 1, z.first[pairs]);
    }
}

}  // namespace detail

// Element i of N(0, I) in R^count goes to out[i * stride].
template <class T>
void gaussian_noise(std::uint64_t seed, std::uint64_t run, std::uint64_t step, std::size_t count, T* out,
                    std::ptrdiff_t stride, std::uint64_t stream = noise_stream) {
    detail::for_each_normal({seed, run}, stream, step, count, [=](std::size_t i, double z) {
        out[static_cast<std::ptrdiff_t>(i) * stride] = static_cast<T>(z);
    });
}

// A uniform point of the unit sphere of R^count: the normals, rounded to T, over their Euclidean norm. All zeros if
// every normal is 0, which happens with probability 2^-53 for count = 1 and less for others.
template <class T>
void sphere_noise(std::uint64_t seed, std::uint64_t run, std::uint64_t step, std::size_t count, T* out,
                  std::ptrdiff_t stride) {
    double norm2 = 0;
    detail::for_each_normal({seed, run}, noise_stream, step, count, [&](std::size_t i, double z) {
        norm2 += z * z;
        out[static_cast<std::ptrdiff_t>(i) * stride] = static_cast<T>(z);
    });
    const double scale = norm2 > 0 ? 1 / std::sqrt(norm2) : 0;
    for (std::size_t i = 0; i < count; ++i, out += stride) *out = static_cast<T>(*out * scale);
}

}  // namespace etaflow
