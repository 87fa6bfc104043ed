// Philox4x64-10, the counter-based generator of Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as
// 1, 2, 3" (SC 2011), with the constants and the conventions of numpy.random.Philox.
//
// Any word of any stream can be asked for at any time, and none depends on what was asked before: this is what makes
// a run the same alone or among a thousand, in one piece or resumed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "philox_vector.hpp"

namespace etaflow {

struct PhiloxKey {
    std::uint64_t seed;
    std::uint64_t run;
};

using PhiloxBlock = std::array<std::uint64_t, 4>;  // a counter, or the four words made from it

// High 64 bits of the exact 128-bit product.
[[gnu::always_inline]] inline std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(a) * b) >> 64);
}

// Maps a uniform word to 0 … n-1; each value has a probability within 2^-64 of 1/n.
[[gnu::always_inline]] inline std::uint64_t uniform_below(std::uint64_t word, std::uint64_t n) {
    return multiply_high(word, n);
}

// Counter + n, as one 256-bit little-endian number.
inline PhiloxBlock counter_plus(PhiloxBlock counter, std::uint64_t n) {
    counter[0] += n;
    if (counter[0] < n)
        for (std::size_t i = 1; i < 4 && ++counter[i] == 0; ++i) {}
    return counter;
}

namespace detail {

// The words of `group` successive counters that differ in word 0 alone. The rounds of one counter wait for each other;
// those of different counters overlap. Out of line, or the compiler runs short of registers.
template <int group>
[[gnu::noinline]] void philox_group(PhiloxKey key, const PhiloxBlock& counter, std::uint64_t* out) {
    std::uint64_t a[group], b[group], c[group], d[group];
    for (int i = 0; i < group; ++i) {
        a[i] = counter[0] + static_cast<std::uint64_t>(i);
        b[i] = counter[1];
        c[i] = counter[2];
        d[i] = counter[3];
    }
#pragma GCC unroll 10
    for (int round = 0; round < philox_rounds; ++round) {
#pragma GCC unroll 4
        for (int i = 0; i < group; ++i) {
            const std::uint64_t high0 = multiply_high(philox_multiplier[0], a[i]), low0 = philox_multiplier[0] * a[i];
            const std::uint64_t high1 = multiply_high(philox_multiplier[1], c[i]), low1 = philox_multiplier[1] * c[i];
            a[i] = high1 ^ b[i] ^ key.seed;
            b[i] = low1;
            c[i] = high0 ^ d[i] ^ key.run;
            d[i] = low0;
        }
        key.seed += philox_weyl[0];
        key.run += philox_weyl[1];
    }
#pragma GCC unroll 4
    for (int i = 0; i < group; ++i, out += 4) {
        out[0] = a[i];
        out[1] = b[i];
        out[2] = c[i];
        out[3] = d[i];
    }
}

}  // namespace detail

// The words of the counters counter, counter + 1, …, `count` of them, four each.
inline void philox_blocks(PhiloxKey key, PhiloxBlock counter, std::size_t count, std::uint64_t* out) {
    while (count > 0) {
        const std::uint64_t before_carry = ~counter[0];  // counters after this one until word 0 overflows
        std::size_t group = 1;
#if ETAFLOW_PHILOX_VECTOR
        if (count >= 16 && before_carry >= 15) {
            group = 16;
            detail::philox_vector_group<2>(key.seed, key.run, counter.data(), out);
        } else
#endif
            if (count >= 4 && before_carry >= 3) {
            group = 4;
            detail::philox_group<4>(key, counter, out);
        } else {
            detail::philox_group<1>(key, counter, out);
        }
        counter = counter_plus(counter, group);
        count -= group;
        out += 4 * group;
    }
}

// Words first … first+count-1 of numpy.random.Philox(key=[seed, run], counter=counter).random_raw(). NumPy steps the
// counter before it makes a block, so block b is made from counter + b + 1.
inline void philox_words(PhiloxKey key, PhiloxBlock counter, std::uint64_t first, std::size_t count,
                         std::uint64_t* out) {
    counter = counter_plus(counter_plus(counter, 1), first / 4);
    PhiloxBlock words;
    if (const std::size_t skip = first % 4; skip != 0 && count > 0) {
        detail::philox_group<1>(key, counter, words.data());
        counter = counter_plus(counter, 1);
        for (std::size_t i = skip; i < 4 && count > 0; ++i, --count) *out++ = words[i];
    }
    philox_blocks(key, counter, count / 4, out);
    if (const std::size_t rest = count % 4; rest != 0) {
        detail::philox_group<1>(key, counter_plus(counter, count / 4), words.data());
        for (std::size_t i = 0; i < rest; ++i) out[count - rest + i] = words[i];
    }
}

}  // namespace etaflow
