// Elementary functions of one vector: exp, log, log1p, tanh, logistic and softplus (atan, sin and cos are in
// vector_trigonometry.hpp, the normal law in normal_tail.hpp).
//
// Every function gives NaN for NaN and the right limit at +-Inf, keeps -0 where it is odd, and is accurate into the
// subnormal numbers; tests/core/test_vector_math.py states the error of each in units in the last place.
// Multiplication and addition are fused only where fma() stands, so that all builds that have it give the same bits.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "simd.hpp"
#include "vector_math_constants.hpp"

namespace etaflow {

template <class V>
concept Vector = std::same_as<V, Vec<double>> || std::same_as<V, Vec<float>>;

namespace detail {

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
inline constexpr bool has_fma = true;
#else
inline constexpr bool has_fma = false;
#endif

template <class T>
struct UnsignedVecTypes {
    typedef std::make_unsigned_t<IntOf<T>> value __attribute__((vector_size(ETAFLOW_VECTOR_BYTES)));
};
template <class T>
using UnsignedVec = typename UnsignedVecTypes<T>::value;

template <class T>
inline constexpr T infinity = std::numeric_limits<T>::infinity();

template <class T>
inline constexpr IntOf<T> bits_of(T a) {
    return std::bit_cast<IntOf<T>>(a);
}

// c[first] + c[first + step] x + c[first + 2 step] x^2 + ... by Horner's rule
template <std::size_t first, std::size_t step, class T, std::size_t n>
[[gnu::always_inline]] inline Vec<T> horner(Vec<T> x, const T (&c)[n]) {
    constexpr std::size_t degree = (n - 1 - first) / step;
    return [&]<std::size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
        Vec<T> p = set1<T>(c[first + degree * step]);
        ((p = fma(x, p, set1<T>(c[first + (degree - 1 - i) * step]))), ...);
        return p;
    }(std::make_index_sequence<degree>{});
}

// c[0] + c[1] x + ... + c[n-1] x^(n-1)
template <class T, std::size_t n>
[[gnu::always_inline]] inline Vec<T> polynomial(Vec<T> x, const T (&c)[n]) {
    return horner<0, 1, T>(x, c);
}
// The same in two chains: the longer functions are bound by latency, which the processor hides behind few vectors only.
template <class T, std::size_t n>
[[gnu::always_inline]] inline Vec<T> split_polynomial(Vec<T> x, Vec<T> x_squared, const T (&c)[n]) {
    return fma(x, horner<1, 2, T>(x_squared, c), horner<0, 2, T>(x_squared, c));
}

// An integer n held in the low bits of k = n + magic.
template <class T>
struct Rounded {
    Vec<T> k, n;
};
template <class T>
[[gnu::always_inline]] inline Rounded<T> rounded(Vec<T> x, T factor) {
    constexpr T magic = MathConstants<T>::magic;
    const Vec<T> k = fma(x, set1<T>(factor), set1<T>(magic));
    return {k, k - magic};
}

// 2^(n + bias) for k = n + magic, where that is a normal number.
template <class T>
[[gnu::always_inline]] inline Vec<T> power_of_two(Vec<T> k, int bias = 0) {
    constexpr int bits = MathConstants<T>::mantissa_bits;
    const IntOf<T> one = bits_of<T>(T(1)) + static_cast<IntOf<T>>(static_cast<IntOf<T>>(bias) << bits);
    return (Vec<T>)(((IntVec<T>)k << bits) + one);
}

template <class T>
inline constexpr T power_bias_inverse = std::bit_cast<T>(static_cast<IntOf<T>>(
    bits_of<T>(T(1)) - (static_cast<IntOf<T>>(MathConstants<T>::power_bias) << MathConstants<T>::mantissa_bits)));

// 2^n for k = n + magic and n <= 0, rounded once to a subnormal number or 0.
template <class T>
[[gnu::always_inline]] inline Vec<T> small_power_of_two(Vec<T> k) {
    return power_of_two<T>(k, MathConstants<T>::power_bias) * power_bias_inverse<T>;
}

template <class T>
[[gnu::always_inline]] inline IntVec<T> sign_bit(Vec<T> x) {
    return (IntVec<T>)x & std::numeric_limits<IntOf<T>>::min();
}
template <class T>
[[gnu::always_inline]] inline Vec<T> flip_sign(Vec<T> x, IntVec<T> sign) {
    return (Vec<T>)((IntVec<T>)x ^ sign);
}

// e^(x + x_low...) = 2^n p with n from the rounding of x; p is about 0.7 to 1.4. x_low is one small vector or nothing.
template <class T>
struct ScaledExp {
    Rounded<T> n;
    Vec<T> p;
};
template <class T, class... Low>
[[gnu::always_inline]] inline ScaledExp<T> scaled_exp(Vec<T> x, Low... x_low) {
    using C = MathConstants<T>;
    const Rounded<T> n = rounded<T>(x, C::log2_e);
    Vec<T> r = fma(n.n, set1<T>(-C::ln2_high), x);
    r = (fma(n.n, set1<T>(-C::ln2_low), r) + ... + x_low);
    const Vec<T> square = r * r, tail = split_polynomial<T>(r, square, C::exp_tail);
    return {n, T(1) + fma(square, tail, r)};
}

// e^(x + x_low) 2^power_bias for x <= 0 down to well below exp_underflow: never subnormal, so that a product with it
// loses nothing.
template <class T, class... Low>
[[gnu::always_inline]] inline Vec<T> raised_exp(Vec<T> x, Low... x_low) {
    const ScaledExp<T> e = scaled_exp<T>(x, x_low...);
    return e.p * power_of_two<T>(e.n.k, MathConstants<T>::power_bias);
}

}  // namespace detail

template <Vector V>
[[gnu::always_inline]] inline V exp(V x) {
    using T = ElementOf<V>;
    using C = detail::MathConstants<T>;
    x = max(set1<T>(C::exp_underflow), min(set1<T>(C::exp_overflow), x));
    const detail::ScaledExp<T> e = detail::scaled_exp<T>(x);
    // 2^n in two factors, so that neither overflows nor is subnormal and the result is rounded once.
    const detail::Rounded<T> half = detail::rounded<T>(e.n.n, T(0.5));
    return e.p * detail::power_of_two<T>(half.k) * detail::power_of_two<T>((e.n.n - half.n) + C::magic);
}

namespace detail {

// log(2^k (1 + f)) with sqrt(1/2) <= 1 + f <= sqrt(2): f - (f^2/2 - s (f^2/2 + R(s^2))), s = f/(2 + f)  [fdlibm]
template <class T>
[[gnu::always_inline]] inline Vec<T> log_of_parts(Vec<T> k, Vec<T> f) {
    using C = MathConstants<T>;
    const Vec<T> s = f / (T(2) + f), z = s * s, half_square = T(0.5) * f * f;
    const Vec<T> tail = z * split_polynomial<T>(z, z * z, C::log_tail);
    const Vec<T> low = fma(s, half_square + tail, k * C::ln2_low);
    return fma(k, set1<T>(C::ln2_high), f - (half_square - low));
}

// log(1 + t) for 0 <= t <= 1: t - s (t - R(s^2)), s = t/(2 + t)
template <class T>
[[gnu::always_inline]] inline Vec<T> log1p_of_unit(Vec<T> t) {
    const Vec<T> s = t / (T(2) + t), z = s * s;
    const Vec<T> tail = z * split_polynomial<T>(z, z * z, MathConstants<T>::log1p_tail);
    return fma(-s, t - tail, t);
}

// x = 2^k m with sqrt(1/2) <= m < sqrt(2), for normal x > 0.
template <class T>
struct Parts {
    Vec<T> k, m;
    IntVec<T> exponent;  // k + bias of the exponent field
};
template <class T>
[[gnu::always_inline]] inline Parts<T> parts(Vec<T> x) {
    using C = MathConstants<T>;
    constexpr int bits = C::mantissa_bits;
    constexpr IntOf<T> one = bits_of<T>(T(1)), low_m = bits_of<T>(C::sqrt_half);
    constexpr T power = C::magic / T(1.5);  // 2^mantissa_bits: its low bits hold an integer
    const IntVec<T> shifted = (IntVec<T>)x + (one - low_m);
    const IntVec<T> exponent = (IntVec<T>)((UnsignedVec<T>)shifted >> bits);
    const Vec<T> k = (Vec<T>)(exponent | bits_of<T>(power)) - (power + static_cast<T>(one >> bits));
    const IntVec<T> m = (shifted & ((IntOf<T>(1) << bits) - 1)) + low_m;
    return {k, (Vec<T>)m, exponent};
}

}  // namespace detail

template <Vector V>
[[gnu::always_inline]] inline V log(V x) {
    using T = ElementOf<V>;
    using C = detail::MathConstants<T>;
    constexpr T nan = std::numeric_limits<T>::quiet_NaN(), inf = detail::infinity<T>;
    const auto subnormal = x < std::numeric_limits<T>::min();
    const detail::Parts<T> p = detail::parts<T>(subnormal ? x * C::to_subnormal : x);
    const Vec<T> k = subnormal ? p.k - T(C::mantissa_bits + 2) : p.k;
    Vec<T> r = detail::log_of_parts<T>(k, p.m - T(1));
    r = x < inf ? r : x;
    return x > T(0) ? r : (x == T(0) ? set1<T>(-inf) : set1<T>(nan));
}

template <Vector V>
[[gnu::always_inline]] inline V log1p(V x) {
    using T = ElementOf<V>;
    using C = detail::MathConstants<T>;
    constexpr T nan = std::numeric_limits<T>::quiet_NaN(), inf = detail::infinity<T>;
    const Vec<T> u = T(1) + x;
    const detail::Parts<T> p = detail::parts<T>(u);
    // u + c = 1 + x exactly; f = 2^-k (u + c) - 1, which is x itself when k = 0. c does not matter for large x.
    const Vec<T> c = x - (u - T(1));
    const IntOf<T> twice_bias = 2 * (detail::bits_of<T>(T(1)) >> C::mantissa_bits);
    const Vec<T> inverse = (Vec<T>)((twice_bias - p.exponent) << C::mantissa_bits);
    const Vec<T> correction = x < C::magic ? c * inverse : Vec<T>{};
    Vec<T> r = detail::log_of_parts<T>(p.k, (p.m - T(1)) + correction);
    r = x < inf ? r : x;
    r = x > T(-1) ? r : (x == T(-1) ? set1<T>(-inf) : set1<T>(nan));
    return x == T(0) ? x : r;  // -0
}

namespace detail {

// With 2x = n ln 2 + 2s and t = tanh s: tanh x = (A + Bt)/(B + At), A = 2^n - 1, B = 2^n + 1.

// t in place of s, of several vectors, each operation of all before the next operation.
template <class T, int count>
[[gnu::always_inline]] inline void tanh_of_remainders(Vec<T> (&s)[count]) {
    using C = MathConstants<T>;
    constexpr int degree = std::extent_v<decltype(C::tanh_tail)> - 1;
    Vec<T> z[count], p[count];
    unrolled<count>([&](auto i) __attribute__((always_inline)) { z[i] = s[i] * s[i]; });
    unrolled<count>([&](auto i) __attribute__((always_inline)) { p[i] = set1<T>(C::tanh_tail[degree]); });
    unrolled<degree>([&](auto k) __attribute__((always_inline)) {
        unrolled<count>([&](auto i) __attribute__((always_inline)) {
            p[i] = fma(z[i], p[i], set1<T>(C::tanh_tail[degree - 1 - k]));
        });
    });
    // z C(z) is fused with +0: at s = -0 it must not be -0, or t would lose its sign.
    unrolled<count>([&](auto i) __attribute__((always_inline)) { p[i] = fma(z[i], p[i], Vec<T>{}); });
    unrolled<count>([&](auto i) __attribute__((always_inline)) { s[i] = fma(s[i], p[i], s[i]); });
}

template <class T>
[[gnu::always_inline]] inline Vec<T> tanh_of_remainder(Vec<T> s) {
    Vec<T> one[1] = {s};
    tanh_of_remainders<T>(one);
    return one[0];
}

}  // namespace detail

// The hyperbolic tangents of several vectors at once, in place: the processor does not look far enough ahead to work on
// the fifth vector while it waits for the first.
template <class T, int count>
[[gnu::always_inline]] inline void tanh_of_each(Vec<T> (&x)[count]) {
    using C = detail::MathConstants<T>;
    detail::Rounded<T> n[count];
    Vec<T> s[count], minus_a[count], b[count];
    unrolled<count>([&](auto i) __attribute__((always_inline)) { x[i] = min(set1<T>(C::tanh_limit), x[i]); });
    unrolled<count>([&](auto i) __attribute__((always_inline)) { x[i] = max(set1<T>(-C::tanh_limit), x[i]); });
    unrolled<count>([&](auto i) __attribute__((always_inline)) { n[i] = detail::rounded<T>(x[i], 2 * C::log2_e); });
    unrolled<count>([&](auto i) __attribute__((always_inline)) {
        if constexpr (detail::has_fma) {
            s[i] = fma(n[i].n, set1<T>(-C::half_ln2), x[i]);
        } else {  // the rounded product would cost half an ulp
            s[i] = (x[i] - n[i].n * (C::ln2_high / 2)) - n[i].n * (C::ln2_low / 2);
        }
    });
    detail::tanh_of_remainders<T>(s);
    unrolled<count>([&](auto i) __attribute__((always_inline)) {
        const Vec<T> power = detail::power_of_two<T>(n[i].k);
        minus_a[i] = T(1) - power;  // +0 for n = 0 keeps tanh(-0) = -0
        b[i] = power + T(1);
    });
    unrolled<count>([&](auto i) __attribute__((always_inline)) {
        x[i] = fma(b[i], s[i], -minus_a[i]) / fma(-minus_a[i], s[i], b[i]);
    });
}

template <Vector V>
[[gnu::always_inline]] inline V tanh(V x) {
    V one[1] = {x};
    tanh_of_each<ElementOf<V>>(one);
    return one[0];
}

// The logistic function and what its derivatives need, all accurate relative to themselves.
template <class T>
struct LogisticTerms {
    Vec<T> value, complement, difference;  // 1/(1 + e^-z), 1/(1 + e^z), and the second minus the first
};

// On v = -|z|: e^v = 2^n (1 + t)/(1 - t) with 2^n and t as for tanh(v/2).
template <Vector V>
[[gnu::always_inline]] inline LogisticTerms<ElementOf<V>> logistic_terms(V z) {
    using T = ElementOf<V>;
    using C = detail::MathConstants<T>;
    const Vec<T> v = max(set1<T>(C::exp_underflow / 2), T(-0.5) * abs(z));
    const detail::Rounded<T> n = detail::rounded<T>(v, 2 * C::log2_e);
    Vec<T> s = fma(n.n, set1<T>(-C::ln2_high / 2), v);
    s = fma(n.n, set1<T>(-C::ln2_low / 2), s);
    const Vec<T> t = detail::tanh_of_remainder<T>(s);
    const Vec<T> power = detail::small_power_of_two<T>(n.k);
    const Vec<T> small = fma(power, t, power), large = T(1) - t, inverse = T(1) / (small + large);
    const Vec<T> p = small * inverse, q = large * inverse;
    const Vec<T> difference = fma(power + T(1), t, power - T(1)) * inverse;  // tanh(v), without cancellation
    const auto negative = z < T(0);
    return {negative ? p : q, negative ? q : p, detail::flip_sign<T>(difference, detail::sign_bit<T>(z))};
}

template <Vector V>
[[gnu::always_inline]] inline V logistic(V z) {
    return logistic_terms(z).value;
}

// e^-|z|
template <Vector V>
[[gnu::always_inline]] inline V exp_minus_abs(V z) {
    using T = ElementOf<V>;
    const detail::ScaledExp<T> e =
        detail::scaled_exp<T>(max(set1<T>(detail::MathConstants<T>::exp_underflow), -abs(z)));
    return e.p * detail::small_power_of_two<T>(e.n.k);
}

// log(1 + e^z)
template <Vector V>
[[gnu::always_inline]] inline V softplus(V z) {
    return max(V{}, z) + detail::log1p_of_unit<ElementOf<V>>(exp_minus_abs(z));
}

}  // namespace etaflow
