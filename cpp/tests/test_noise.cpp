#include "noise.hpp"

#include <numbers>
#include <vector>

#include "check.hpp"

using namespace etaflow;

namespace {

constexpr std::size_t counts[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 121, 127, 128, 129, 255, 300};

enum class Kind { gaussian, sphere };

template <class T>
std::vector<T> drawn(Kind kind, std::size_t count, std::uint64_t step = 9) {
    std::vector<T> z(count);
    if (kind == Kind::sphere)
        sphere_noise(3, 4, step, count, z.data(), 1);
    else
        gaussian_noise(3, 4, step, count, z.data(), 1);
    return z;
}

}  // namespace

TEST_CASE("normals are Box and Muller's of the stream's words") {
    const std::vector<double> z = drawn<double>(Kind::gaussian, 300);
    std::vector<std::uint64_t> words(300);
    philox_words({3, 4}, {0, 1, 9, 0}, 0, words.size(), words.data());
    for (std::size_t i = 0; i < z.size(); i += 2) {
        const double u1 = (static_cast<double>(words[i] >> 11) + 0.5) * 0x1p-53;
        const double u2 = (static_cast<double>(words[i + 1] >> 11) + 0.5) * 0x1p-53;
        const double radius = std::sqrt(-2 * std::log(u1)), angle = 2 * std::numbers::pi * u2;
        CHECK_NEAR(z[i], radius * std::cos(angle), 1e-14);
        CHECK_NEAR(z[i + 1], radius * std::sin(angle), 1e-14);
    }
}

TEST_CASE("a normal depends on its place alone") {
    const std::vector<double> all = drawn<double>(Kind::gaussian, 300);
    for (const std::size_t count : counts) {
        CHECK(drawn<double>(Kind::gaussian, count) ==
              std::vector<double>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)));
        std::vector<double> strided(5 * count + 1, -7.0);
        gaussian_noise(3, 4, 9, count, strided.data(), 5);
        for (std::size_t i = 0; i < strided.size(); ++i)
            CHECK_EQUAL(strided[i], i % 5 || i / 5 == count ? -7.0 : all[i / 5]);
    }
    CHECK(drawn<double>(Kind::gaussian, 4, 10) != drawn<double>(Kind::gaussian, 4, 9));
}

TEST_CASE("float noise is the double one, rounded") {
    const std::vector<double> z = drawn<double>(Kind::gaussian, 300);
    const std::vector<float> rounded = drawn<float>(Kind::gaussian, 300);
    for (std::size_t i = 0; i < z.size(); ++i) CHECK_EQUAL(rounded[i], static_cast<float>(z[i]));
}

TEST_CASE("the largest and the smallest words give finite normals") {
    CHECK_EQUAL(detail::unit_interval(~std::uint64_t{0}), 1.0);
    CHECK_EQUAL(detail::unit_interval(0), 0x1p-54);
}

TEST_CASE("sphere noise is the normals' direction") {
    for (const std::size_t count : counts) {
        const std::vector<double> z = drawn<double>(Kind::gaussian, count),
                                  direction = drawn<double>(Kind::sphere, count);
        const std::vector<float> rounded = drawn<float>(Kind::sphere, count);
        double norm2 = 0;
        for (const double value : z) norm2 += value * value;
        for (std::size_t i = 0; i < count; ++i) {
            CHECK_CLOSE(direction[i], z[i] / std::sqrt(norm2), 1e-15);
            CHECK_CLOSE(static_cast<double>(rounded[i]), direction[i], 1.3e-7);
        }
    }
}
