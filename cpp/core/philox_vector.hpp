// Philox4x64-10 on eight counters at once, where the processor has AVX-512: twice the speed of 64-bit multiplications
// one by one. With AVX2 the two are equally fast, so there the scalar form of philox.hpp does all the work.
//
// The intrinsics are here because the 32 x 32 -> 64 bit product cannot be written with vector extensions: a general
// 64-bit product takes three times as long on some processors.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512BW__)
#include <immintrin.h>
#define ETAFLOW_PHILOX_VECTOR 1
#else
#define ETAFLOW_PHILOX_VECTOR 0
#endif

namespace etaflow::detail {

inline constexpr std::uint64_t philox_multiplier[2] = {0xD2E7470EE14C6C93, 0xCA5A826395121157};
inline constexpr std::uint64_t philox_weyl[2] = {0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B};
inline constexpr int philox_rounds = 10;

#if ETAFLOW_PHILOX_VECTOR

typedef std::uint64_t Words __attribute__((vector_size(64)));  // one word of each of eight counters

[[gnu::always_inline]] inline Words words(std::uint64_t a) { return a - Words{}; }

// The masked forms, with a full mask: the plain ones make GCC 12 warn of an uninitialised variable of its own.

// Product of the low halves of each element.
[[gnu::always_inline]] inline Words multiply_halves(Words a, Words b) {
    return (Words)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)b);
}
// The high half of each element, in the low half of the result (whose high half is anything).
[[gnu::always_inline]] inline Words high_halves(Words a) {
    return (Words)_mm512_maskz_shuffle_epi32(0xFFFF, (__m512i)a, static_cast<_MM_PERM_ENUM>(0xF5));
}
// High halves from the low halves of `high`, low halves from `low`.
[[gnu::always_inline]] inline Words join_halves(Words high, Words low) {
    return (Words)_mm512_mask_shuffle_epi32((__m512i)low, 0xAAAA, (__m512i)high, static_cast<_MM_PERM_ENUM>(0xA0));
}

// The exact product x * m as high and low words, by the school's method in base 2^32.
[[gnu::always_inline]] inline void multiply(Words x, std::uint64_t m, Words& high, Words& low) {
    const Words x_high = high_halves(x), m_low = words(m), m_high = words(m >> 32);
    const Words p0 = multiply_halves(x, m_low);
    const Words t = multiply_halves(x_high, m_low) + (p0 >> 32);
    const Words u = multiply_halves(x, m_high) + (t & words(0xffffffff));
    high = multiply_halves(x_high, m_high) + (t >> 32) + (u >> 32);
    low = join_halves(u, p0);
}

// floor(x n / 2^64) of each element, n < 2^32.
[[gnu::always_inline]] inline Words uniform_below(Words x, std::uint64_t n) {
    return (multiply_halves(high_halves(x), words(n)) + (multiply_halves(x, words(n)) >> 32)) >> 32;
}

// Ten rounds on `group` vectors of counters c[i][0 … 3], each lane with its own key.
template <int group>
[[gnu::always_inline]] inline void philox_vector_rounds(Words seed, Words run, Words (*c)[4]) {
    for (int round = 0; round < philox_rounds; ++round) {
#pragma GCC unroll 4
        for (int i = 0; i < group; ++i) {
            Words high0, low0, high1, low1;
            multiply(c[i][0], philox_multiplier[0], high0, low0);
            multiply(c[i][2], philox_multiplier[1], high1, low1);
            c[i][0] = high1 ^ c[i][1] ^ seed;
            c[i][1] = low1;
            c[i][2] = high0 ^ c[i][3] ^ run;
            c[i][3] = low0;
        }
        seed += philox_weyl[0];
        run += philox_weyl[1];
    }
}

// The words of 8 * group successive counters of one key that differ in word 0 alone, four after four.
template <int group>
inline void philox_vector_group(std::uint64_t seed, std::uint64_t run, const std::uint64_t* counter,
                                std::uint64_t* out) {
    Words c[group][4];
    for (int i = 0; i < group; ++i) {
        c[i][0] = words(counter[0] + static_cast<std::uint64_t>(8 * i)) + Words{0, 1, 2, 3, 4, 5, 6, 7};
        for (int j = 1; j < 4; ++j) c[i][j] = words(counter[j]);
    }
    philox_vector_rounds<group>(words(seed), words(run), c);
#pragma GCC unroll 4
    for (int i = 0; i < group; ++i) {  // transpose 4 x 8 to 8 x 4: pairs of words, then of pairs, then of counters
        const Words even01 = __builtin_shufflevector(c[i][0], c[i][1], 0, 8, 2, 10, 4, 12, 6, 14);
        const Words odd01 = __builtin_shufflevector(c[i][0], c[i][1], 1, 9, 3, 11, 5, 13, 7, 15);
        const Words even23 = __builtin_shufflevector(c[i][2], c[i][3], 0, 8, 2, 10, 4, 12, 6, 14);
        const Words odd23 = __builtin_shufflevector(c[i][2], c[i][3], 1, 9, 3, 11, 5, 13, 7, 15);
        const Words b02 = __builtin_shufflevector(even01, even23, 0, 1, 8, 9, 2, 3, 10, 11);
        const Words b13 = __builtin_shufflevector(odd01, odd23, 0, 1, 8, 9, 2, 3, 10, 11);
        const Words b46 = __builtin_shufflevector(even01, even23, 4, 5, 12, 13, 6, 7, 14, 15);
        const Words b57 = __builtin_shufflevector(odd01, odd23, 4, 5, 12, 13, 6, 7, 14, 15);
        const Words rows[4] = {__builtin_shufflevector(b02, b13, 0, 1, 2, 3, 8, 9, 10, 11),
                               __builtin_shufflevector(b02, b13, 4, 5, 6, 7, 12, 13, 14, 15),
                               __builtin_shufflevector(b46, b57, 0, 1, 2, 3, 8, 9, 10, 11),
                               __builtin_shufflevector(b46, b57, 4, 5, 6, 7, 12, 13, 14, 15)};
        __builtin_memcpy(out + 32 * i, rows, sizeof rows);
    }
}

#endif

}  // namespace etaflow::detail
