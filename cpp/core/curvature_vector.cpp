// Products of the Hessian, the Gauss-Newton matrix and R(theta) with a vector, by derivatives along it: every quantity
// q of the forward and backward pass has its tangent, dq/dt at theta + t v (Pearlmutter 1994, the R-operator).
#include "curvature.hpp"
#include "panel_sum.hpp"
#include "propagate.hpp"

namespace etaflow {

namespace {

// The tangents of one panel, laid out as the Workspace they belong to.
template <class T>
struct Tangents {
    std::vector<T*> a, delta;
    T* z = nullptr;  // of the output layer

    void prepare(const Network& net, int vectors) {
        std::size_t units = static_cast<std::size_t>(net.outputs());
        for (int l = 1; l <= net.depth(); ++l) units += 2 * static_cast<std::size_t>(net.widths()[l]);
        z = ensure(memory_, units * vectors * lanes<T>);
        T* at = z + std::ptrdiff_t{net.outputs()} * vectors * lanes<T>;
        for (auto* kind : {&a, &delta}) {
            kind->assign(net.depth() + 1, nullptr);
            for (int l = 1; l <= net.depth(); ++l) {
                (*kind)[l] = at;
                at += std::ptrdiff_t{net.widths()[l]} * vectors * lanes<T>;
            }
        }
    }

  private:
    Buffer<T> memory_;
};

template <class T>
Tangents<T>& tangents(const Network& net, int vectors) {
    thread_local Tangents<T> r;
    r.prepare(net, vectors);
    return r;
}

// Forward pass with tangents: R{z_l} = W R{a_{l-1}} + V a_{l-1} + v_b and R{a_l} = phi'(z_l) R{z_l}.
// order 2 leaves phi''(z) R{z} = R{phi'(z)} in ws.c of the hidden layers.
template <int order, class T>
void forward_with_tangents(const Network& net, const T* theta, const T* v, const Panel<T>& panel, Workspace<T>& ws,
                           Tangents<T>& r) {
    for_each_chunk(panel.vectors, [&](int v0, int count) {
        const std::ptrdiff_t at = std::ptrdiff_t{v0} * lanes<T>;
        const T* x = panel.x + at * net.inputs();
        const T* rx = nullptr;
        for (int l = 1; l <= net.depth(); ++l) {
            const Layer& layer = net.layers()[l - 1];
            const bool last = l == net.depth();
            const std::ptrdiff_t block = at * layer.out;
            T* const z = (last ? ws.z : ws.a[l]) + block;
            T* const rz = (last ? r.z : r.a[l]) + block;
            chunk_product(layer.out, layer.in, count, weight_matrix(theta, layer),
                          layer.bias ? theta + layer.biases : nullptr, x, z);
            chunk_product(layer.out, layer.in, count, weight_matrix(v, layer), layer.bias ? v + layer.biases : nullptr,
                          x, rz);
            if (rx) chunk_product<true, T>(layer.out, layer.in, count, weight_matrix(theta, layer), nullptr, rx, rz);
            Vec<T>* const s = as_vectors(ws.s[l] + block);
            Vec<T>* const c = order == 2 ? as_vectors(ws.c[l] + block) : nullptr;
            activate<order, T>(layer.activation, layer.out * count, as_vectors(z), as_vectors(ws.a[l] + block), s, c);
            if (last) break;
            Vec<T>* const tangent = as_vectors(rz);
            for (int i = 0; i < layer.out * count; ++i) {
                if constexpr (order == 2) c[i] = c[i] * tangent[i];
                tangent[i] = tangent[i] * s[i];
            }
            x = ws.a[l] + block;
            rx = rz;
        }
    });
}

// to = d2L/dz2 r.z at the output layer; zero in lanes without a sample.
template <class T>
void curve_output(const Network& net, Loss loss, Curvature kind, const Panel<T>& panel, const Workspace<T>& ws,
                  const Tangents<T>& r, T* to) {
    const T* const c = ws.c[net.depth()];
    for_each_output(net, loss, panel, ws, [&](int v, const OutputLayer<T>& out, std::ptrdiff_t at, int stride) {
        Vec<T>* const result = as_vectors(to) + at;
        output_curvature(loss, kind, out, c ? as_vectors(c) + at : nullptr, as_vectors(r.z) + at, result);
        if ((v + 1) * lanes<T> <= panel.samples) return;
        const IntVec<T> mask = sample_mask(panel, v);
        for (int k = 0; k < out.units; ++k) result[k * stride] = mask ? result[k * stride] : Vec<T>{};
    });
}

// Backward pass with tangents: e = W^T delta, R{e} = W^T R{delta} + V^T delta; below, delta = phi'(z) e and
// R{delta} = phi'(z) R{e} + R{phi'(z)} e.
template <class T>
void backward_with_tangents(const Network& net, const T* theta, const T* v, const Panel<T>& panel, Workspace<T>& ws,
                            Tangents<T>& r) {
    for_each_chunk(panel.vectors, [&](int v0, int count) {
        const std::ptrdiff_t at = std::ptrdiff_t{v0} * lanes<T>;
        for (int l = net.depth(); l > 1; --l) {
            const Layer& layer = net.layers()[l - 1];
            const std::ptrdiff_t above = at * layer.out, below = at * layer.in;
            const auto product = [&]<bool accumulate>(const T* weights, const T* deltas, T* to) {
                chunk_product<accumulate, T>(layer.in, layer.out, count, transposed_weights(weights, layer), nullptr,
                                             deltas + above, to + below);
            };
            product.template operator()<false>(theta, ws.delta[l], ws.delta[l - 1]);
            product.template operator()<false>(theta, r.delta[l], r.delta[l - 1]);
            product.template operator()<true>(v, ws.delta[l], r.delta[l - 1]);
            const Vec<T>* const s = as_vectors(ws.s[l - 1] + below);
            const Vec<T>* const rs = as_vectors(ws.c[l - 1] + below);
            Vec<T>* const delta = as_vectors(ws.delta[l - 1] + below);
            Vec<T>* const rdelta = as_vectors(r.delta[l - 1] + below);
            for (int i = 0; i < layer.in * count; ++i) {
                rdelta[i] = fma(s[i], rdelta[i], rs[i] * delta[i]);
                delta[i] = s[i] * delta[i];
            }
        }
    });
}

// g += the tangent of sum delta x a for every layer.
template <class T>
void accumulate_tangent(const Network& net, const Panel<T>& panel, const Workspace<T>& ws, const Tangents<T>& r, T* g) {
    for (int l = 1; l <= net.depth(); ++l) {
        const Layer& layer = net.layers()[l - 1];
        accumulate_layer(net, l, panel, r.delta[l], l == 1 ? panel.x : ws.a[l - 1], g);
        if (l > 1)
            panel_gradient<T>(OutputRange{0, layer.out}, layer.out, layer.in, panel.vectors, ws.delta[l], r.a[l - 1],
                              g + layer.weights, nullptr);
    }
}

// out = scale * out + 2 l2 v, the product of v with the second derivative of scale * sum_i L_i + l2 ||theta||^2.
template <class T>
void scale_and_regularise(const Objective<T>& f, const T* v, T* out) {
    const T scale = static_cast<T>(f.scale(f.size())), pull = static_cast<T>(2 * f.l2());
    for (std::int64_t i = 0; i < f.num_params(); ++i)
        out[i] = pull != 0 ? fma(pull, v[i], scale * out[i]) : scale * out[i];
}

template <class T>
Threads threads_for_tangents(const Objective<T>& f, int threads) {
    return threads_for(2 * f.gradient_flops(f.size()), threads);
}

// t_i = (gradient of L_i) . v, padded to whole vectors with zeros.
template <class T>
void directional_derivatives(const Objective<T>& f, const T* theta, const T* v, T* t, int threads, Control& control) {
    const Network& net = f.net();
    parallel_for(threads_for_tangents(f, threads), f.panels().count(), control, [&](std::int64_t p) {
        const Panel<T> panel = f.panels().panel(p);
        Workspace<T>& ws = workspace<T>(net, panel.vectors, 1);
        Tangents<T>& r = tangents<T>(net, panel.vectors);
        forward_with_tangents<1>(net, theta, v, panel, ws, r);
        output_deltas<false, T>(net, f.loss(), panel, nullptr, ws);
        T* const to = t + f.panels().first_sample(p);
        const Vec<T>* const delta = as_vectors(ws.delta[net.depth()]);
        const Vec<T>* const rz = as_vectors(r.z);
        for_each_output(net, f.loss(), panel, ws, [&](int i, const OutputLayer<T>& out, std::ptrdiff_t at, int stride) {
            Vec<T> total{};
            for (int k = 0; k < out.units; ++k) total = fma(delta[at + k * stride], rz[at + k * stride], total);
            store(to + i * lanes<T>, total);
        });
    });
    control.throw_if_stopped();
}

}  // namespace

template <class T>
void hessian_vector(const Objective<T>& f, const T* theta, const T* v, T* out, int threads, Control& control) {
    const Network& net = f.net();
    sum_over_panels(f.panels(), f.num_params(), out, threads_for_tangents(f, threads), control,
                    [&](std::int64_t p, T* partial) {
                        const Panel<T> panel = f.panels().panel(p);
                        Workspace<T>& ws = workspace<T>(net, panel.vectors, 2);
                        Tangents<T>& r = tangents<T>(net, panel.vectors);
                        forward_with_tangents<2>(net, theta, v, panel, ws, r);
                        output_deltas<false, T>(net, f.loss(), panel, nullptr, ws);
                        curve_output(net, f.loss(), Curvature::full, panel, ws, r, r.delta[net.depth()]);
                        backward_with_tangents(net, theta, v, panel, ws, r);
                        accumulate_tangent(net, panel, ws, r, partial);
                    });
    scale_and_regularise(f, v, out);
}

template <class T>
void gauss_newton_vector(const Objective<T>& f, const T* theta, const T* v, T* out, int threads, Control& control) {
    const Network& net = f.net();
    sum_over_panels(f.panels(), f.num_params(), out, threads_for_tangents(f, threads), control,
                    [&](std::int64_t p, T* partial) {
                        const Panel<T> panel = f.panels().panel(p);
                        Workspace<T>& ws = workspace<T>(net, panel.vectors, 1);
                        Tangents<T>& r = tangents<T>(net, panel.vectors);
                        forward_with_tangents<1>(net, theta, v, panel, ws, r);
                        curve_output(net, f.loss(), Curvature::gauss_newton, panel, ws, r, ws.delta[net.depth()]);
                        backward(net, theta, panel, ws);
                        accumulate_gradient(net, panel, ws, partial);
                    });
    scale_and_regularise(f, v, out);
}

template <class T>
void covariance_vector(const Objective<T>& f, const T* theta, const T* v, T* out, int threads, Control& control) {
    const std::int64_t n = f.size();
    Buffer<T> t(static_cast<std::size_t>(f.panels().padded()));
    directional_derivatives(f, theta, v, t.data(), threads, control);
    // Twice: the mean of what the first pass leaves is its rounding error, which a large mean gradient would multiply.
    for (int pass = 0; pass < 2; ++pass) {
        double total = 0;
        for (std::int64_t i = 0; i < n; ++i) total += static_cast<double>(t[i]);
        const T mean = static_cast<T>(total / static_cast<double>(n));
        for (std::int64_t i = 0; i < n; ++i) t[i] -= mean;
    }
    f.evaluate(theta, f.panels(), {false, out, t.data(), 1.0 / static_cast<double>(n)}, threads, control);
}

template void hessian_vector(const Objective<double>&, const double*, const double*, double*, int, Control&);
template void hessian_vector(const Objective<float>&, const float*, const float*, float*, int, Control&);
template void gauss_newton_vector(const Objective<double>&, const double*, const double*, double*, int, Control&);
template void gauss_newton_vector(const Objective<float>&, const float*, const float*, float*, int, Control&);
template void covariance_vector(const Objective<double>&, const double*, const double*, double*, int, Control&);
template void covariance_vector(const Objective<float>&, const float*, const float*, float*, int, Control&);

}  // namespace etaflow
