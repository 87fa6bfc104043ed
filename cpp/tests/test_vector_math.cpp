// What the Python tests of the elementary functions cannot see: lengths, orders and aliasing of `activate`.
#include "core/vector_math.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "check.hpp"
#include "core/activation.hpp"
#include "core/buffer.hpp"
#include "core/vector_trigonometry.hpp"

using namespace etaflow;

namespace {

constexpr std::array<std::string_view, 9> names = {"identity",   "logistic", "tanh", "arctan", "relu",
                                                   "leaky_relu", "softplus", "gelu", "sin"};
constexpr int longest = 9;

template <class T>
struct Arrays {
    Buffer<T> memory = Buffer<T>((longest + 1) * lanes<T>);
    Vec<T>* data() { return reinterpret_cast<Vec<T>*>(memory.data()); }
    bool same_bits(const Arrays& other, int vectors) const {
        return std::memcmp(memory.data(), other.memory.data(), static_cast<std::size_t>(vectors) * vector_bytes) == 0;
    }
};

template <class T>
Arrays<T> filled(T first, T step) {
    Arrays<T> arrays;
    for (std::size_t i = 0; i < arrays.memory.size(); ++i) arrays.memory[i] = first + step * static_cast<T>(i);
    return arrays;
}

template <class T>
void check_lengths_orders_and_aliasing(std::string_view name) {
    const ActivationSpec spec = activation_from_name(name, 0.25);
    Arrays<T> z = filled<T>(T(-3.3), T(0.05)), a, s, c;
    activate<2, T>(spec, longest + 1, z.data(), a.data(), s.data(), c.data());
    for (int count = 0; count <= longest; ++count) {
        Arrays<T> a0, a1, s1, in_place = z, untouched = filled<T>(7, 0);
        activate<0, T>(spec, count, z.data(), a0.data(), nullptr, nullptr);
        activate<1, T>(spec, count, z.data(), a1.data(), s1.data(), nullptr);
        activate<1, T>(spec, count, in_place.data(), in_place.data(), untouched.data(), nullptr);
        CHECK(a0.same_bits(a, count));
        CHECK(a1.same_bits(a, count));
        CHECK(s1.same_bits(s, count));
        CHECK(in_place.same_bits(a, count));
        CHECK_EQUAL(in_place.data()[count][0], z.data()[count][0]);
        CHECK_EQUAL(untouched.data()[count][0], T(7));
    }
}

template <class T>
void check_nan_stays_in_its_lane(std::string_view name) {
    const ActivationSpec spec = activation_from_name(name, 0.25);
    for (int lane = 0; lane < lanes<T>; ++lane) {
        Vec<T> z = set1<T>(T(0.5)), a, s, c;
        z[lane] = std::numeric_limits<T>::quiet_NaN();
        activate<2, T>(spec, 1, &z, &a, &s, &c);
        for (int i = 0; i < lanes<T>; ++i) {
            CHECK_EQUAL(std::isnan(a[i]), i == lane);
            CHECK_EQUAL(std::isnan(s[i]), i == lane);
            CHECK_EQUAL(std::isnan(c[i]), i == lane);
        }
    }
}

template <class T>
void check_large_angle_leaves_the_other_lanes() {
    for (int lane = 0; lane < lanes<T>; ++lane) {
        Vec<T> x = set1<T>(T(0.5));
        x[lane] = T(1e6);
        const SinCos<T> mixed = sincos(x);
        const Vec<T> small = sin(set1<T>(T(0.5)));
        for (int i = 0; i < lanes<T>; ++i) { CHECK_EQUAL(mixed.sin[i], i == lane ? std::sin(x[i]) : small[i]); }
    }
}

}  // namespace

TEST_CASE("every length, order and in place give the same bits and nothing beyond the end") {
    for (const std::string_view name : names) {
        check_lengths_orders_and_aliasing<double>(name);
        check_lengths_orders_and_aliasing<float>(name);
    }
}

TEST_CASE("NaN stays in its lane") {
    for (const std::string_view name : names) {
        check_nan_stays_in_its_lane<double>(name);
        check_nan_stays_in_its_lane<float>(name);
    }
}

TEST_CASE("a large angle leaves the other lanes alone") {
    check_large_angle_leaves_the_other_lanes<double>();
    check_large_angle_leaves_the_other_lanes<float>();
}

TEST_CASE("values known exactly") {
    CHECK_EQUAL(exp(set1<double>(0))[0], 1.0);
    CHECK_EQUAL(log(set1<double>(1))[0], 0.0);
    CHECK_EQUAL(tanh(set1<double>(40))[0], 1.0);
    CHECK_EQUAL(logistic(set1<double>(0))[0], 0.5);
    CHECK_CLOSE(logistic(set1<double>(-700))[0], std::exp(-700.0), 1e-15);
    CHECK_CLOSE(atan(set1<double>(1))[0], std::atan(1.0), 1e-15);
}

TEST_CASE("an unknown activation is refused") {
    CHECK_THROWS_AS(activation_from_name("swish", 0), std::invalid_argument);
}
