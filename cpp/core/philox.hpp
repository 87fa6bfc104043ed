// Philox4x64-10, the counter-based generator of Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as
// 1, 2, 3" (SC 2011), with the constants and the conventions of numpy.random.Philox.
//
// Any word of any stream can be asked for at any time, and none depends on what was asked before: this is what makes
// a run the same alone or among a thousand, in one piece or resumed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

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

namespace detail {

inline constexpr std::uint64_t philox_multiplier[2] = {0xD2E7470EE14C6C93, 0xCA5A826395121157};
inline constexpr std::uint64_t philox_weyl[2] = {0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B};
inline constexpr int philox_rounds = 10;

[[gnu::always_inline]] inline void philox_round(PhiloxBlock& c, PhiloxKey key) {
    const std::uint64_t high0 = multiply_high(philox_multiplier[0], c[0]), low0 = philox_multiplier[0] * c[0];
    const std::uint64_t high1 = multiply_high(philox_multiplier[1], c[2]), low1 = philox_multiplier[1] * c[2];
    c = {high1 ^ c[1] ^ key.seed, low1, high0 ^ c[3] ^ key.run, low0};
}

// `count` counters at once: the rounds of one wait for each other, those of different counters overlap.
template <int count>
[[gnu::always_inline]] inline void philox_blocks(PhiloxKey key, PhiloxBlock* c) {
    for (int round = 0; round < philox_rounds; ++round) {
        for (int i = 0; i < count; ++i) philox_round(c[i], key);
        key.seed += philox_weyl[0];
        key.run += philox_weyl[1];
    }
}

}  // namespace detail

// Counter + n, as one 256-bit little-endian number.
inline PhiloxBlock counter_plus(PhiloxBlock counter, std::uint64_t n) {
    counter[0] += n;
    if (counter[0] < n)
        for (int i = 1; i < 4 && ++counter[i] == 0; ++i) {
        }
    return counter;
}

// The four words of one counter.
inline PhiloxBlock philox_block(PhiloxKey key, PhiloxBlock counter) {
    detail::philox_blocks<1>(key, &counter);
    return counter;
}

// Words first … first+count-1 of numpy.random.Philox(key=[seed, run], counter=counter).random_raw(). NumPy steps the
// counter before it makes a block, so block b is made from counter + b + 1.
inline void philox_words(PhiloxKey key, PhiloxBlock counter, std::uint64_t first, std::size_t count,
                         std::uint64_t* out) {
    constexpr int width = 4;  // counters in flight
    counter = counter_plus(counter_plus(counter, 1), first / 4);
    std::size_t skip = first % 4;  // words of the first block that nobody asked for
    while (count > 0) {
        PhiloxBlock blocks[width];
        const std::size_t room = 4 * width - skip;
        if (count <= 4 - skip) {  // the last block, alone
            blocks[0] = philox_block(key, counter);
        } else {
            for (auto& block : blocks) {
                block = counter;
                counter = counter_plus(counter, 1);
            }
            detail::philox_blocks<width>(key, blocks);
        }
        const std::size_t taken = count < room ? count : room;
        for (std::size_t i = 0; i < taken; ++i) out[i] = blocks[(skip + i) / 4][(skip + i) % 4];
        out += taken;
        count -= taken;
        skip = 0;
    }
}

}  // namespace etaflow
