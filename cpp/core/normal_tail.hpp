// The tail of the standard normal law, accurate relative to itself as far as numbers go.
#pragma once

#include <type_traits>

#include "simd.hpp"
#include "vector_math.hpp"

namespace etaflow {

namespace detail {

// a^2 = h + (result) exactly, h = a * a
template <class T>
[[gnu::always_inline]] inline Vec<T> square_error(Vec<T> a, Vec<T> h) {
    if constexpr (has_fma) {
        return fma(a, a, -h);
    } else {  // Veltkamp and Dekker
        constexpr T split = std::is_same_v<T, double> ? T(0x1p27) + 1 : T(0x1p12) + 1;
        const Vec<T> c = a * split, high = c - (c - a), low = a - high;
        return ((high * high - h) + T(2) * high * low) + low * low;
    }
}

}  // namespace detail

// The upper tail of the standard normal law at x = |z|, for the density and the tail together without underflow.
template <class T>
struct NormalTail {
    Vec<T> x;               // |z|, at most tail_limit, where everything has vanished
    Vec<T> raised_density;  // e^(-x^2/2) 2^power_bias
    Vec<T> mills;           // Q(x) e^(x^2/2), Q(x) = P(N(0, 1) > x)
};

template <Vector V>
[[gnu::always_inline]] inline NormalTail<ElementOf<V>> normal_tail(V z) {
    using T = ElementOf<V>;
    using C = detail::MathConstants<T>;
    const Vec<T> x = min(set1<T>(C::tail_limit), abs(z)), square = x * x;
    const Vec<T> error = detail::square_error<T>(x, square);
    const Vec<T> density = detail::raised_exp<T>(T(-0.5) * square, T(-0.5) * error);
    // Shepherd and Laframboise 1981: (x + K) times the ratio is smooth in y = (x - K)/(x + K) up to infinity.
    const Vec<T> w = T(1) / (x + C::mills_centre);
    const Vec<T> y = (x - C::mills_centre) * w;
    return {x, density, detail::split_polynomial<T>(y, y * y, C::mills) * w};
}

}  // namespace etaflow
