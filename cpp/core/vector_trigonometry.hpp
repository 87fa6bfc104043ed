// atan, sin and cos of one vector, with the promises of vector_math.hpp.
#pragma once

#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>

#include "simd.hpp"
#include "vector_math.hpp"

namespace etaflow {

template <Vector V>
[[gnu::always_inline]] inline V atan(V x) {
    using T = ElementOf<V>;
    using C = detail::MathConstants<T>;
    const Vec<T> a = abs(x), zero{}, one = set1<T>(T(1));
    const auto middle = a > C::tan_pi_8, upper = a > C::tan_3pi_8;
    // |y| <= tan(pi/8): atan a = atan y, pi/4 + atan((a - 1)/(a + 1)) or pi/2 + atan(-1/a)
    const Vec<T> numerator = upper ? -one : (middle ? a - one : a);
    const Vec<T> denominator = upper ? a : (middle ? a + one : one);
    const Vec<T> y = numerator / denominator, z = y * y;
    const Vec<T> base = upper ? set1<T>(C::half_pi) : (middle ? set1<T>(C::half_pi / 2) : zero);
    const Vec<T> base_low = upper ? set1<T>(C::half_pi_low) : (middle ? set1<T>(C::half_pi_low / 2) : zero);
    const Vec<T> tail = fma(y * z, detail::split_polynomial<T>(z, z * z, C::atan_tail), base_low);
    return detail::flip_sign<T>(base + (y + tail), detail::sign_bit<T>(x));
}

template <class T>
struct SinCos {
    Vec<T> sin, cos;
};

namespace detail {

// Reduction by pi/2 in parts (Cody and Waite) for |x| <= angle_limit.
template <class T>
[[gnu::always_inline]] inline SinCos<T> small_sincos(Vec<T> x) {
    using C = MathConstants<T>;
    constexpr std::size_t exact = std::size(C::half_pi_parts) - 2;
    const Rounded<T> n = rounded<T>(x, C::two_over_pi);
    Vec<T> y = x;
    for (std::size_t i = 0; i < exact; ++i) y = fma(n.n, set1<T>(-C::half_pi_parts[i]), y);
    // The next difference is rounded; its error joins the last part. Subtraction keeps the sign of -0.
    const Vec<T> product = n.n * C::half_pi_parts[exact], r = y - product;
    y = r - fma(n.n, set1<T>(C::half_pi_parts[exact + 1]), product - (y - r));

    const Vec<T> z = y * y;
    const Vec<T> sine = fma(y, fma(z, polynomial<T>(z, C::sin_tail), Vec<T>{}), y);  // + 0: see tanh
    const Vec<T> cosine = fma(z, fma(z, polynomial<T>(z, C::cos_tail), set1<T>(T(-0.5))), set1<T>(T(1)));
    const IntVec<T> quadrant = (IntVec<T>)n.k;
    const auto odd = (quadrant & 1) != 0;
    constexpr int to_sign = 8 * sizeof(T) - 2;  // moves bit 1 to the sign
    constexpr IntOf<T> sign = std::numeric_limits<IntOf<T>>::min();
    const IntVec<T> flip_sine = (quadrant << to_sign) & sign, flip_cosine = ((quadrant + 1) << to_sign) & sign;
    return {flip_sign<T>(odd ? cosine : sine, flip_sine), flip_sign<T>(odd ? sine : cosine, flip_cosine)};
}

template <class T>
[[gnu::noinline]] void replace_large_sincos(Vec<T> x, SinCos<T>& r) {
    for (int i = 0; i < lanes<T>; ++i) {
        if (std::abs(x[i]) <= MathConstants<T>::angle_limit) continue;
        r.sin[i] = std::sin(x[i]);
        r.cos[i] = std::cos(x[i]);
    }
}

}  // namespace detail

// Beyond angle_limit the C library computes the lanes one by one.
template <Vector V>
[[gnu::always_inline]] inline SinCos<ElementOf<V>> sincos(V x) {
    using T = ElementOf<V>;
    SinCos<T> r = detail::small_sincos<T>(x);
    if (any<T>(abs(x) > detail::MathConstants<T>::angle_limit)) [[unlikely]]
        detail::replace_large_sincos<T>(x, r);
    return r;
}
template <Vector V>
[[gnu::always_inline]] inline V sin(V x) {
    return sincos(x).sin;
}
template <Vector V>
[[gnu::always_inline]] inline V cos(V x) {
    return sincos(x).cos;
}

}  // namespace etaflow
