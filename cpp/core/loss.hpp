// Losses at the output layer, one vector of samples (or of runs) at a time.
//
// A loss sees the pre-activations z, the outputs a = phi(z) and the derivatives s = phi'(z) of the output layer, unit k
// at [k * stride], and the targets y likewise; softmax has one target row, the label.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string_view>

#include "simd.hpp"
#include "vector_math.hpp"

namespace etaflow {

enum class Loss {
    square,   // ||y - a||^2, no 1/2
    log,      // binary cross-entropy; the output is logistic and the loss is taken from z, exact for any logit
    softmax,  // cross-entropy of an integer label; the output is the identity
};

inline Loss loss_from_name(std::string_view name) {
    if (name == "square") return Loss::square;
    if (name == "log") return Loss::log;
    if (name == "softmax") return Loss::softmax;
    throw std::invalid_argument("unknown loss");
}

// Rows of targets that a loss keeps per sample.
inline int target_rows(Loss loss, int outputs) { return loss == Loss::softmax ? 1 : outputs; }

template <class T>
struct OutputLayer {
    int units;
    std::ptrdiff_t stride;  // vectors between units
    const Vec<T>* z;
    const Vec<T>* a;
    const Vec<T>* s;
    const Vec<T>* y;
};

namespace detail {

template <class T>
inline Vec<T> softmax_maximum(const OutputLayer<T>& out) {
    Vec<T> m = out.z[0];
    for (int k = 1; k < out.units; ++k) m = max(m, out.z[k * out.stride]);
    return m;
}

template <class T>
inline Vec<T> softmax_normaliser(const OutputLayer<T>& out, Vec<T> m) {
    Vec<T> total = exp(out.z[0] - m);
    for (int k = 1; k < out.units; ++k) total = total + exp(out.z[k * out.stride] - m);
    return total;
}

}  // namespace detail

// Returns the loss (0 unless wanted) and sets delta[k * stride] = dL/dz_k (if wanted; s is read for that alone).
template <bool want_loss, bool want_delta, class T>
inline Vec<T> output_terms(Loss loss, const OutputLayer<T>& out, Vec<T>* delta) {
    Vec<T> total{};
    switch (loss) {
        case Loss::square:
            for (int k = 0; k < out.units; ++k) {
                const std::ptrdiff_t at = k * out.stride;
                const Vec<T> r = out.a[at] - out.y[at];
                if constexpr (want_delta) delta[at] = (r + r) * out.s[at];
                if constexpr (want_loss) total = fma(r, r, total);
            }
            break;
        case Loss::log:
            // With u = z for y = 0 and -z for y = 1: loss = softplus(u), dL/du = logistic(u), accurate in both tails.
            for (int k = 0; k < out.units; ++k) {
                const std::ptrdiff_t at = k * out.stride;
                const Vec<T> sign = T(1) - (out.y[at] + out.y[at]);
                const Vec<T> u = sign * out.z[at];
                if constexpr (want_delta) delta[at] = sign * logistic(u);
                if constexpr (want_loss) total = total + softplus(u);
            }
            break;
        case Loss::softmax: {
            const Vec<T> m = detail::softmax_maximum(out), normaliser = detail::softmax_normaliser(out, m);
            Vec<T> at_label{};
            for (int k = 0; k < out.units; ++k) {
                const Vec<T> z = out.z[k * out.stride] - m;
                const auto is_label = out.y[0] == static_cast<T>(k);
                if constexpr (want_delta)
                    delta[k * out.stride] = exp(z) / normaliser - (is_label ? set1<T>(1) : Vec<T>{});
                if constexpr (want_loss) at_label = is_label ? z : at_label;
            }
            if constexpr (want_loss) total = log(normaliser) - at_label;
            break;
        }
    }
    return total;
}

enum class Curvature { full, gauss_newton };

// result[k] = sum_j d2L/dz_k dz_j v[j]. Gauss-Newton drops the curvature of the output activation (square loss): the
// loss is then convex in what the curvature is taken of. c = phi''(z) is read only by the square loss, curvature full.
template <class T>
inline void output_curvature(Loss loss, Curvature kind, const OutputLayer<T>& out, const Vec<T>* c, const Vec<T>* v,
                             Vec<T>* result) {
    switch (loss) {
        case Loss::square:
            for (int k = 0; k < out.units; ++k) {
                const std::ptrdiff_t at = k * out.stride;
                Vec<T> h = out.s[at] * out.s[at];
                if (kind == Curvature::full) h = fma(out.a[at] - out.y[at], c[at], h);
                result[at] = (h + h) * v[at];
            }
            break;
        case Loss::log:
            for (int k = 0; k < out.units; ++k) result[k * out.stride] = out.s[k * out.stride] * v[k * out.stride];
            break;
        case Loss::softmax: {
            const Vec<T> m = detail::softmax_maximum(out), normaliser = detail::softmax_normaliser(out, m);
            Vec<T> mean{};
            for (int k = 0; k < out.units; ++k)
                mean = fma(exp(out.z[k * out.stride] - m) / normaliser, v[k * out.stride], mean);
            for (int k = 0; k < out.units; ++k) {
                const Vec<T> p = exp(out.z[k * out.stride] - m) / normaliser;
                result[k * out.stride] = p * (v[k * out.stride] - mean);
            }
            break;
        }
    }
}

}  // namespace etaflow
