// Activation functions: value, first and second derivative computed together. To change one, edit its functor; to add
// one, also the enumeration, the table of names and the switch at the end.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "normal_tail.hpp"
#include "simd.hpp"
#include "vector_math.hpp"
#include "vector_trigonometry.hpp"

namespace etaflow {

enum class Activation { identity, logistic, tanh, arctan, relu, leaky_relu, softplus, gelu, sin };

// The parameter is the derivative at 0 of relu, and the slope for z < 0 of leaky_relu; the others have none.
struct ActivationSpec {
    Activation kind;
    double parameter;
};

inline ActivationSpec activation_from_name(std::string_view name, double parameter) {
    constexpr struct {
        std::string_view name;
        Activation kind;
    } known[] = {
        {"identity", Activation::identity}, {"logistic", Activation::logistic}, {"tanh", Activation::tanh},
        {"arctan", Activation::arctan},     {"relu", Activation::relu},         {"leaky_relu", Activation::leaky_relu},
        {"softplus", Activation::softplus}, {"gelu", Activation::gelu},         {"sin", Activation::sin},
    };
    for (const auto& entry : known)
        if (entry.name == name) return {entry.kind, parameter};
    throw std::invalid_argument("unknown activation " + std::string(name));
}

// phi(z), phi'(z) and phi''(z).
template <class T>
struct Jet {
    Vec<T> a, s, c;
};

namespace functor {

// Every functor maps z to its Jet; what a caller does not use, the compiler leaves out. NaN gives NaN three times.
// One that is PiecewiseLinear, phi(z) = phi'(z) z, is applied where z is computed: to store z and read it again would
// take as long. Its pull_back(z, d) is d phi'(z) for any number z.
struct PiecewiseLinear {};

template <class T>
[[gnu::always_inline]] inline Vec<T> constant(T value, Vec<T> z) {  // NaN where z is
    return z == z ? set1<T>(value) : z;
}

template <class T>
struct Identity : PiecewiseLinear {
    [[gnu::always_inline]] Jet<T> operator()(Vec<T> z) const { return {z, constant<T>(1, z), constant<T>(0, z)}; }
    [[gnu::always_inline]] Vec<T> pull_back(Vec<T>, Vec<T> d) const { return d; }
};

template <class T>
struct Logistic {
    [[gnu::always_inline]] Jet<T> operator()(Vec<T> z) const {
        const LogisticTerms<T> f = logistic_terms(z);
        const Vec<T> s = f.value * f.complement;
        return {f.value, s, s * f.difference};
    }
};

// 1 - a^2 is exact to the rounding of a, not relative to itself where |a| nears 1: it costs one operation, and tanh is
// the hottest function of all.
template <class T>
struct Tanh {
    [[gnu::always_inline]] Jet<T> operator()(Vec<T> z) const { return of_value(tanh(z)); }
    template <int count>
    [[gnu::always_inline]] void of_each(const Vec<T> (&z)[count], Jet<T> (&jet)[count]) const {
        Vec<T> a[count];
        unrolled<count>([&](auto i) __attribute__((always_inline)) { a[i] = z[i]; });
        tanh_of_each<T>(a);
        unrolled<count>([&](auto i) __attribute__((always_inline)) { jet[i] = of_value(a[i]); });
    }
    // The jet by phi(z).
    [[gnu::always_inline]] static Jet<T> of_value(Vec<T> a) {
        const Vec<T> s = fma(-a, a, set1<T>(1));
        return {a, s, T(-2) * a * s};
    }
};

// 2/pi atan z: from -1 to 1
template <class T>
struct Arctan {
    [[gnu::always_inline]] Jet<T> operator()(Vec<T> z) const {
        constexpr T scale = detail::MathConstants<T>::two_over_pi;
        constexpr T far = sizeof(T) == 8 ? T(1e150) : T(1e18f);  // beyond, z^2 may overflow and phi'' is 0
        const Vec<T> x = max(set1<T>(-far), min(set1<T>(far), z));
        const Vec<T> inverse = T(1) / fma(z, z, set1<T>(1)), s = scale * inverse;
        return {scale * atan(z), s, T(-2) * (x * inverse) * s};
    }
};

template <class T>
struct Relu : PiecewiseLinear {
    Vec<T> derivative_at_0;
    explicit Relu(double parameter) : derivative_at_0(set1<T>(static_cast<T>(parameter))) {}
    [[gnu::always_inline]] Jet<T> operator()(Vec<T> z) const {
        const Vec<T> zero{}, at_0_or_nan = z + derivative_at_0;
        return {max(zero, z), z > zero ? set1<T>(1) : (z < zero ? zero : at_0_or_nan), constant<T>(0, z)};
    }
    [[gnu::always_inline]] Vec<T> pull_back(Vec<T> z, Vec<T> d) const {
        const Vec<T> zero{};
        return z > zero ? d : (z < zero ? zero : derivative_at_0 * d);
    }
};

template <class T>
struct LeakyRelu : PiecewiseLinear {
    Vec<T> slope;
    explicit LeakyRelu(double parameter) : slope(set1<T>(static_cast<T>(parameter))) {}
    [[gnu::always_inline]] Jet<T> operator()(Vec<T> z) const {
        const auto negative = z < Vec<T>{};
        return {negative ? slope * z : z, negative ? slope : constant<T>(1, z), constant<T>(0, z)};
    }
    [[gnu::always_inline]] Vec<T> pull_back(Vec<T> z, Vec<T> d) const { return z < Vec<T>{} ? slope * d : d; }
};

template <class T>
struct Softplus {
    [[gnu::always_inline]] Jet<T> operator()(Vec<T> z) const {
        const Vec<T> t = exp_minus_abs(z), inverse = T(1) / (T(1) + t), small = t * inverse;
        return {softplus(z), z < T(0) ? small : inverse, small * inverse};
    }
};

// z Phi(z) with the normal distribution function Phi (Hendrycks and Gimpel 2016), not the tanh approximation.
// By the tail Q at x = |z|: z Phi(z) = max(z, 0) - x Q(x); Phi + z phi is Q - x phi for z < 0, else 1 minus that.
template <class T>
struct Gelu {
    [[gnu::always_inline]] Jet<T> operator()(Vec<T> z) const {
        constexpr T lower = detail::power_bias_inverse<T>;
        const T inverse_sqrt_2pi = T(0x1.9884533d43651p-2);
        const NormalTail<T> tail = normal_tail(z);
        const Vec<T> x = tail.x, density = inverse_sqrt_2pi * tail.raised_density;
        const Vec<T> value = max(Vec<T>{}, z) - (x * tail.mills * tail.raised_density) * lower;
        const Vec<T> slope = fma(-x, set1<T>(inverse_sqrt_2pi), tail.mills) * tail.raised_density * lower;
        return {value, z < Vec<T>{} ? slope : T(1) - slope, fma(-x, x, set1<T>(2)) * density * lower};
    }
};

template <class T>
struct Sin {
    [[gnu::always_inline]] Jet<T> operator()(Vec<T> z) const {
        const SinCos<T> f = sincos(z);
        return {f.sin, f.cos, -f.sin};
    }
};

}  // namespace functor

namespace detail {

// The jets of several vectors at once, in registers.
template <class T, class F, int count>
[[gnu::always_inline]] inline void apply(F f, const Vec<T> (&z)[count], Jet<T> (&jet)[count]) {
    if constexpr (requires { f.of_each(z, jet); }) {
        f.of_each(z, jet);
    } else {
        unrolled<count>([&](auto i) __attribute__((always_inline)) { jet[i] = f(z[i]); });
    }
}

// Vectors first … first + count - 1.
template <int order, int count, class T, class F>
[[gnu::always_inline]] inline void map_some(F f, int first, const Vec<T>* z, Vec<T>* a, Vec<T>* s, Vec<T>* c) {
    Vec<T> in[count];
    Jet<T> jet[count];
    unrolled<count>([&](auto i) __attribute__((always_inline)) { in[i] = z[first + i]; });
    apply<T>(f, in, jet);
    unrolled<count>([&](auto i) __attribute__((always_inline)) {
        a[first + i] = jet[i].a;
        if constexpr (order >= 1) s[first + i] = jet[i].s;
        if constexpr (order >= 2) c[first + i] = jet[i].c;
    });
}

template <int order, class T, class F>
[[gnu::always_inline]] inline void map(F f, int count, const Vec<T>* z, Vec<T>* a, Vec<T>* s, Vec<T>* c) {
    int i = 0;
    if constexpr (requires(const Vec<T>(&in)[2], Jet<T>(&jet)[2]) { f.of_each(in, jet); }) {
        constexpr int pack = 5;
        for (; i + pack <= count; i += pack) map_some<order, pack, T>(f, i, z, a, s, c);
    }
    for (; i < count; ++i) map_some<order, 1, T>(f, i, z, a, s, c);
}

}  // namespace detail

// f(functor of the activation)
template <class T, class F>
[[gnu::always_inline]] inline void with_functor(ActivationSpec spec, F f) {
    switch (spec.kind) {
        case Activation::identity:
            return f(functor::Identity<T>{});
        case Activation::logistic:
            return f(functor::Logistic<T>{});
        case Activation::tanh:
            return f(functor::Tanh<T>{});
        case Activation::arctan:
            return f(functor::Arctan<T>{});
        case Activation::relu:
            return f(functor::Relu<T>(spec.parameter));
        case Activation::leaky_relu:
            return f(functor::LeakyRelu<T>(spec.parameter));
        case Activation::softplus:
            return f(functor::Softplus<T>{});
        case Activation::gelu:
            return f(functor::Gelu<T>{});
        case Activation::sin:
            return f(functor::Sin<T>{});
    }
}

// The jets of several vectors at once, in registers.
template <class T, int count>
[[gnu::always_inline]] inline void activate_each(ActivationSpec spec, const Vec<T> (&z)[count], Jet<T> (&jet)[count]) {
    with_functor<T>(spec, [&](auto phi) __attribute__((always_inline)) { detail::apply<T>(phi, z, jet); });
}

template <class T>
bool is_piecewise_linear(ActivationSpec spec) {
    bool is = false;
    with_functor<T>(spec, [&](auto phi) { is = std::is_base_of_v<functor::PiecewiseLinear, decltype(phi)>; });
    return is;
}

// `count` vectors: a = phi(z), s = phi'(z) if order >= 1, c = phi''(z) if order == 2. a may be z; s and c may not
// overlap anything.
template <int order, class T>
void activate(ActivationSpec spec, int count, const Vec<T>* z, Vec<T>* a, Vec<T>* s, Vec<T>* c) {
    with_functor<T>(spec, [=](auto f) __attribute__((always_inline)) { detail::map<order, T>(f, count, z, a, s, c); });
}

}  // namespace etaflow
