#include "philox.hpp"

#include <limits>
#include <vector>

#include "check.hpp"

using namespace etaflow;

namespace {

using Words = std::vector<std::uint64_t>;

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

// The paper's definition, one block at a time, with 32-bit arithmetic for the products.
std::uint64_t high_product(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t low = 0xffffffff, a0 = a & low, a1 = a >> 32, b0 = b & low, b1 = b >> 32;
    const std::uint64_t middle = a1 * b0 + ((a0 * b0) >> 32);
    return a1 * b1 + (middle >> 32) + ((a0 * b1 + (middle & low)) >> 32);
}

PhiloxBlock reference_block(PhiloxKey key, PhiloxBlock x) {
    constexpr std::uint64_t m0 = 0xD2E7470EE14C6C93, m1 = 0xCA5A826395121157;
    for (int round = 0; round < 10; ++round) {
        x = {high_product(m1, x[2]) ^ x[1] ^ key.seed, m1 * x[2], high_product(m0, x[0]) ^ x[3] ^ key.run, m0 * x[0]};
        key = {key.seed + 0x9E3779B97F4A7C15, key.run + 0xBB67AE8584CAA73B};
    }
    return x;
}

Words reference_words(PhiloxKey key, PhiloxBlock counter, std::size_t count) {
    Words words;
    while (words.size() < count) {
        counter = counter_plus(counter, 1);
        const PhiloxBlock block = reference_block(key, counter);
        words.insert(words.end(), block.begin(), block.end());
    }
    words.resize(count);
    return words;
}

PhiloxBlock one_block(PhiloxKey key, const PhiloxBlock& counter) {
    PhiloxBlock words;
    philox_blocks(key, counter, 1, words.data());
    return words;
}

}  // namespace

// The file kat_vectors of Random123, the authors' library.
TEST_CASE("known answers of Random123") {
    CHECK(one_block({0, 0}, {0, 0, 0, 0}) ==
          PhiloxBlock{0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b, 0x7e68b68aec7ba23b});
    CHECK(one_block({largest, largest}, {largest, largest, largest, largest}) ==
          PhiloxBlock{0x87b092c3013fe90b, 0x438c3c67be8d0224, 0x9cc7d7c69cd777b6, 0xa09caebf594f0ba0});
    CHECK(one_block({0x452821e638d01377, 0xbe5466cf34e90c6c},
                    {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89}) ==
          PhiloxBlock{0xa528f45403e61d95, 0x38c72dbd566e9788, 0xa5a1610e72fd18b5, 0x57bd43b5e52b7fe6});
}

TEST_CASE("a counter carries through all its words") {
    CHECK(counter_plus({5, 1, 2, 3}, 7) == PhiloxBlock{12, 1, 2, 3});
    CHECK(counter_plus({largest, 1, 2, 3}, 1) == PhiloxBlock{0, 2, 2, 3});
    CHECK(counter_plus({largest, largest, largest, 3}, 5) == PhiloxBlock{4, 0, 0, 4});
    CHECK(counter_plus({largest, largest, largest, largest}, 1) == PhiloxBlock{0, 0, 0, 0});
}

// Every remainder of the groups of 1, 4 and 16 counters, from every word of a block, with and without a carry inside.
TEST_CASE("any words of a stream are what the whole stream has there") {
    const PhiloxKey key{0x0123456789abcdef, largest};
    for (const PhiloxBlock& counter : {PhiloxBlock{0, 1, 2, 0}, PhiloxBlock{largest - 9, largest, 0, 7}}) {
        const Words all = reference_words(key, counter, 300);
        for (std::size_t first = 0; first < 20; ++first)
            for (std::size_t count = 0; count <= 200; ++count) {
                Words words(count + 1, 42);
                philox_words(key, counter, first, count, words.data());
                CHECK_EQUAL(words.back(), std::uint64_t{42});  // nothing is written behind the end
                words.pop_back();
                CHECK(words == Words(all.begin() + static_cast<std::ptrdiff_t>(first),
                                     all.begin() + static_cast<std::ptrdiff_t>(first + count)));
            }
    }
}

TEST_CASE("words far along a stream") {
    const PhiloxKey key{3, 4};
    const std::uint64_t block = std::uint64_t{1} << 60;
    Words words(80);
    philox_words(key, {0, 2, 5, 0}, 4 * block, words.size(), words.data());
    CHECK(words == reference_words(key, {block, 2, 5, 0}, words.size()));
}

TEST_CASE("an index is the integer part of word n / 2^64") {
    CHECK_EQUAL(uniform_below(0, 10), std::uint64_t{0});
    CHECK_EQUAL(uniform_below(largest, 10), std::uint64_t{9});
    CHECK_EQUAL(uniform_below(largest, 1), std::uint64_t{0});
    CHECK_EQUAL(uniform_below(std::uint64_t{1} << 63, 7), std::uint64_t{3});
}
