// One step of an optimizer on a flat array of vectors, whatever they hold: eight runs' weights, or one run's.
#pragma once

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "simd.hpp"

namespace etaflow {

enum class Optimizer { sgd, heavy_ball, nesterov, adagrad, rmsprop, adam };

inline Optimizer optimizer_from_name(std::string_view name) {
    constexpr std::string_view names[] = {"sgd", "heavy_ball", "nesterov", "adagrad", "rmsprop", "adam"};
    for (int i = 0; i < 6; ++i)
        if (names[i] == name) return static_cast<Optimizer>(i);
    throw std::invalid_argument("unknown optimizer");
}

// Arrays of parameter size the optimizer carries from step to step.
inline int slots_of(Optimizer optimizer) {
    return optimizer == Optimizer::sgd ? 0 : optimizer == Optimizer::adam ? 2 : 1;
}

struct Hyper {
    double first;   // momentum, or rho, or beta1
    double second;  // beta2
    double eps;
};

template <class T>
struct Parameters {
    std::int64_t vectors;
    Vec<T>* theta;
    const Vec<T>* gradient;
    Vec<T>* slot1;
    Vec<T>* slot2;
    const Vec<T>* noise;  // added to the direction, already scaled; or null
    const Vec<T>* lower;  // projection after the step; or null (both)
    const Vec<T>* upper;

    // Vectors [first, first + count).
    Parameters part(std::int64_t first, std::int64_t count) const {
        const auto from = [first](auto* p) { return p ? p + first : p; };
        return {count, from(theta), from(gradient), from(slot1), from(slot2), from(noise), from(lower), from(upper)};
    }
};

namespace detail {

// direction(g, j) is what is multiplied by the step size.
template <class T, class Direction>
[[gnu::always_inline]] inline void descend_along(const Parameters<T>& p, Vec<T> alpha, T pull, Direction direction) {
    const Vec<T> step = -alpha;
    for (std::int64_t j = 0; j < p.vectors; ++j) {
        Vec<T> g = p.gradient[j];
        if (pull != T(0)) g = fma(set1<T>(pull), p.theta[j], g);
        Vec<T> u = direction(g, j);
        if (p.noise) u = u + p.noise[j];
        Vec<T> theta = fma(step, u, p.theta[j]);
        if (p.lower) theta = min(p.upper[j], max(p.lower[j], theta));  // NaN passes through
        p.theta[j] = theta;
    }
}

}  // namespace detail

// Step k (from 1): theta -= alpha * (direction + noise), with PyTorch's formulas for the directions. `pull` times theta
// is added to the gradient first (twice the l2 penalty).
template <class T>
void optimizer_step(Optimizer optimizer, const Parameters<T>& p, const Hyper& hyper, Vec<T> alpha, T pull,
                    std::int64_t k) {
    const Vec<T> first = set1<T>(static_cast<T>(hyper.first)), second = set1<T>(static_cast<T>(hyper.second));
    const Vec<T> eps = set1<T>(static_cast<T>(hyper.eps));
    switch (optimizer) {
        case Optimizer::sgd:
            return detail::descend_along(p, alpha, pull, [](Vec<T> g, std::int64_t) { return g; });
        case Optimizer::heavy_ball:
            return detail::descend_along(
                p, alpha, pull, [&](Vec<T> g, std::int64_t j) { return p.slot1[j] = fma(first, p.slot1[j], g); });
        case Optimizer::nesterov:
            return detail::descend_along(p, alpha, pull, [&](Vec<T> g, std::int64_t j) {
                p.slot1[j] = fma(first, p.slot1[j], g);
                return fma(first, p.slot1[j], g);
            });
        case Optimizer::adagrad:
            return detail::descend_along(p, alpha, pull, [&](Vec<T> g, std::int64_t j) {
                p.slot1[j] = fma(g, g, p.slot1[j]);
                return g / (sqrt(p.slot1[j]) + eps);
            });
        case Optimizer::rmsprop: {
            const Vec<T> rest = set1<T>(static_cast<T>(1 - hyper.first));
            return detail::descend_along(p, alpha, pull, [&](Vec<T> g, std::int64_t j) {
                p.slot1[j] = fma(first, p.slot1[j], rest * g * g);
                return g / (sqrt(p.slot1[j]) + eps);
            });
        }
        case Optimizer::adam: {
            const Vec<T> rest1 = set1<T>(static_cast<T>(1 - hyper.first));
            const Vec<T> rest2 = set1<T>(static_cast<T>(1 - hyper.second));
            const double steps = static_cast<double>(k);
            const Vec<T> unbias1 = set1<T>(static_cast<T>(1 / (1 - std::pow(hyper.first, steps))));
            const Vec<T> unbias2 = set1<T>(static_cast<T>(1 / std::sqrt(1 - std::pow(hyper.second, steps))));
            return detail::descend_along(p, alpha, pull, [&](Vec<T> g, std::int64_t j) {
                p.slot1[j] = fma(first, p.slot1[j], rest1 * g);
                p.slot2[j] = fma(second, p.slot2[j], rest2 * g * g);
                return p.slot1[j] * unbias1 / fma(sqrt(p.slot2[j]), unbias2, eps);
            });
        }
    }
}

// Bit i is set if lane i of some vector holds a NaN or an infinity.
template <class T>
std::uint64_t nonfinite_lanes(const Vec<T>* v, std::int64_t vectors) {
    Vec<T> zero[4] = {};  // 0 times a finite number
    for (std::int64_t j = 0; j < vectors; ++j) zero[j % 4] = zero[j % 4] + v[j] * T(0);
    const Vec<T> total = (zero[0] + zero[1]) + (zero[2] + zero[3]);
    std::uint64_t bits = 0;
    for (int i = 0; i < lanes<T>; ++i) bits |= static_cast<std::uint64_t>(total[i] != total[i]) << i;
    return bits;
}

}  // namespace etaflow
