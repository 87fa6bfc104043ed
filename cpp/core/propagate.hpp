// Forward and backward propagation of one panel of samples (Fleischmann 2021, Algorithm 1, for many samples at once).
#pragma once

#include <vector>

#include "buffer.hpp"
#include "loss.hpp"
#include "network.hpp"
#include "panel.hpp"

namespace etaflow {

// What one thread needs for one panel. Index l = 1 … L is the layer; the input itself is the panel's x.
template <class T>
struct Workspace {
    std::vector<T*> a, s, c, delta;  // values phi(z), phi'(z), phi''(z), dL/dz
    T* z = nullptr;                  // pre-activations of the output layer

    // Room for panels of `vectors` vectors. `order` derivatives of the activations are kept (0, 1 or 2). With the first
    // alone, going backward leaves dL/dz in the place of phi'(z), which nobody needs any more.
    void prepare(const Network& net, int vectors, int order) {
        const int depth = net.depth();
        std::size_t units = 0;
        for (int l = 1; l <= depth; ++l) units += static_cast<std::size_t>(net.widths()[l]);
        const std::size_t per_kind = units * static_cast<std::size_t>(vectors) * lanes<T>;
        const std::size_t last = static_cast<std::size_t>(net.outputs()) * vectors * lanes<T>;
        z = ensure(memory_, last + per_kind * (order == 2 ? 4 : 2));
        T* at = z + last;
        const auto place = [&](std::vector<T*>& kind, bool is_kept) {
            kind.assign(depth + 1, nullptr);
            for (int l = 1; is_kept && l <= depth; ++l) {
                kind[l] = at;
                at += static_cast<std::size_t>(net.widths()[l]) * vectors * lanes<T>;
            }
        };
        place(a, true);
        place(delta, true);
        place(s, order == 2);
        place(c, order == 2);
        if (order == 1) s = delta;
    }

  private:
    Buffer<T> memory_;
};

// The workspace of this thread, kept between calls.
template <class T>
Workspace<T>& workspace(const Network& net, int vectors, int order) {
    thread_local Workspace<T> ws;
    ws.prepare(net, vectors, order);
    return ws;
}

template <class T>
inline Vec<T>* as_vectors(T* p) {
    return reinterpret_cast<Vec<T>*>(p);
}
template <class T>
inline const Vec<T>* as_vectors(const T* p) {
    return reinterpret_cast<const Vec<T>*>(p);
}

template <class T>
Matrix<T> weight_matrix(const T* theta, const Layer& layer) {
    return {theta + layer.weights, layer.in, 1};
}
template <class T>
Matrix<T> transposed_weights(const T* theta, const Layer& layer) {
    return {theta + layer.weights, 1, layer.in};
}

// Vectors [first, end) of a panel: whole chunks.
struct Strip {
    int first, end;
};

// f(first vector of the chunk, vectors in the chunk)
template <class F>
inline void for_each_chunk(Strip strip, F f) {
    for (int v = strip.first; v < strip.end; v += chunk_vectors) f(v, std::min(chunk_vectors, strip.end - v));
}

// A product's sums are pre-activations: stores phi and, if order is 1, phi' of them.
template <int order, class T, class Functor>
struct StoreActivated {
    Functor phi;
    T *a, *s;
    StoreActivated from(std::ptrdiff_t first) const { return {phi, a + first, order >= 1 ? s + first : nullptr}; }
    [[gnu::always_inline]] void operator()(Vec<T> z, std::ptrdiff_t where) const {
        const Jet<T> jet = phi(z);
        store(a + where, jet.a);
        if constexpr (order >= 1) store(s + where, jet.s);
    }
};

// a = phi(W x + b) and s = phi' there, for a cheap phi.
template <int order, class T>
[[gnu::noinline]] void forward_piecewise(const Layer& layer, Matrix<T> w, const T* bias, int vectors, const T* x, T* a,
                                         T* s) {
    with_functor<T>(layer.activation, [&](auto phi) {
        if constexpr (std::is_base_of_v<functor::PiecewiseLinear, decltype(phi)>) {
            const StoreActivated<order, T, decltype(phi)> finish{phi, a, s};
            if (bias)
                chunk_product<Start::bias>(layer.out, layer.in, vectors, w, bias, x, a, finish);
            else
                chunk_product<Start::zero>(layer.out, layer.in, vectors, w, bias, x, a, finish);
        }
    });
}

// Fills ws.a (and s, c up to `order`) of every layer and ws.z.
template <int order, class T>
[[gnu::noinline]] void forward(const Network& net, const T* theta, const Panel<T>& panel, Workspace<T>& ws,
                               Strip strip) {
    for_each_chunk(strip, [&](int v0, int count) {
        const std::ptrdiff_t at = std::ptrdiff_t{v0} * lanes<T>;
        const T* x = panel.x + at * net.inputs();
        for (int l = 1; l <= net.depth(); ++l) {
            const Layer& layer = net.layers()[l - 1];
            const std::ptrdiff_t block = at * layer.out;
            T* const a = ws.a[l] + block;
            T* const s = order >= 1 ? ws.s[l] + block : nullptr;
            T* const c = order >= 2 ? ws.c[l] + block : nullptr;
            const Matrix<T> w = weight_matrix(theta, layer);
            const T* const bias = layer.bias ? theta + layer.biases : nullptr;
            if (order <= 1 && l < net.depth() && is_piecewise_linear<T>(layer.activation)) {
                forward_piecewise<order>(layer, w, bias, count, x, a, s);
            } else {
                T* const z = l < net.depth() ? a : ws.z + block;  // the losses look at z
                chunk_product(layer.out, layer.in, count, w, bias, x, z);
                activate<order, T>(layer.activation, layer.out * count, as_vectors(z), as_vectors(a), as_vectors(s),
                                   as_vectors(c));
            }
            x = a;
        }
    });
}
template <int order, class T>
void forward(const Network& net, const T* theta, const Panel<T>& panel, Workspace<T>& ws) {
    forward<order>(net, theta, panel, ws, Strip{0, panel.vectors});
}

// The output layer's view of vector v of a chunk.
template <class T>
OutputLayer<T> output_layer(const Network& net, Loss loss, const Panel<T>& panel, const Workspace<T>& ws, int v0,
                            int count, int v) {
    const int units = net.outputs(), depth = net.depth();
    const std::ptrdiff_t at = std::ptrdiff_t{v0} * units + v, y = std::ptrdiff_t{v0} * target_rows(loss, units) + v;
    const T* s = ws.s[depth];
    return {units,
            count,
            as_vectors(ws.z) + at,
            as_vectors(ws.a[depth]) + at,
            s ? as_vectors(s) + at : nullptr,
            as_vectors(panel.y) + y};
}

// Lanes of vector v that hold a sample, as a mask.
template <class T>
IntVec<T> sample_mask(const Panel<T>& panel, int v) {
    IntVec<T> mask;
    for (int i = 0; i < lanes<T>; ++i) mask[i] = v * lanes<T> + i < panel.samples ? -1 : 0;
    return mask;
}

// f(vector index, output layer, index of the vector's first unit in chunk layout, vectors between units)
template <class T, class F>
void for_each_output(const Network& net, Loss loss, const Panel<T>& panel, const Workspace<T>& ws, Strip strip, F f) {
    for_each_chunk(strip, [&](int v0, int count) {
        for (int v = 0; v < count; ++v)
            f(v0 + v, output_layer(net, loss, panel, ws, v0, count, v), std::ptrdiff_t{v0} * net.outputs() + v, count);
    });
}
template <class T, class F>
void for_each_output(const Network& net, Loss loss, const Panel<T>& panel, const Workspace<T>& ws, F f) {
    for_each_output(net, loss, panel, ws, Strip{0, panel.vectors}, f);
}

// After forward<1>: ws.delta of the output layer, times `weights` (one per sample, padded to whole vectors) if given;
// zero in lanes without a sample. Returns the sum of the losses in each lane if wanted.
template <bool want_loss, class T>
Vec<T> output_deltas(const Network& net, Loss loss, const Panel<T>& panel, const T* weights, Workspace<T>& ws,
                     Strip strip) {
    Vec<T> total{};
    Vec<T>* delta = as_vectors(ws.delta[net.depth()]);
    for_each_output(net, loss, panel, ws, strip, [&](int v, const OutputLayer<T>& out, std::ptrdiff_t at, int stride) {
        Vec<T> value = output_terms<want_loss, true>(loss, out, delta + at);
        if (weights) {
            const Vec<T> w = load_unaligned(weights + v * lanes<T>);
            for (int k = 0; k < out.units; ++k) delta[at + k * stride] = delta[at + k * stride] * w;
        }
        if ((v + 1) * lanes<T> > panel.samples) {
            const IntVec<T> mask = sample_mask(panel, v);
            value = mask ? value : Vec<T>{};
            for (int k = 0; k < out.units; ++k) delta[at + k * stride] = mask ? delta[at + k * stride] : Vec<T>{};
        }
        if constexpr (want_loss) total = total + value;
    });
    return total;
}
template <bool want_loss, class T>
double output_deltas(const Network& net, Loss loss, const Panel<T>& panel, const T* weights, Workspace<T>& ws) {
    const Strip all{0, panel.vectors};
    return static_cast<double>(sum<T>(output_deltas<want_loss>(net, loss, panel, weights, ws, all)));
}

// After output_deltas: ws.delta of every layer below.
template <class T>
[[gnu::noinline]] void backward(const Network& net, const T* theta, Workspace<T>& ws, Strip strip) {
    for_each_chunk(strip, [&](int v0, int count) {
        const std::ptrdiff_t at = std::ptrdiff_t{v0} * lanes<T>;
        for (int l = net.depth(); l > 1; --l) {
            const Layer& layer = net.layers()[l - 1];
            T* const below = ws.delta[l - 1] + at * layer.in;
            chunk_product<Start::zero, T>(layer.in, layer.out, count, transposed_weights(theta, layer), nullptr,
                                          ws.delta[l] + at * layer.out, below,
                                          StoreScaled<T>{below, ws.s[l - 1] + at * layer.in});
        }
    });
}
template <class T>
void backward(const Network& net, const T* theta, const Panel<T>& panel, Workspace<T>& ws) {
    backward(net, theta, ws, Strip{0, panel.vectors});
}

// Vectors of a panel that the first-level cache holds from the forward to the backward pass. More is better otherwise:
// the processor waits for the last results of each pass.
inline int strip_vectors(const Network& net, int vectors) {
    constexpr std::int64_t cache = 32 << 10;
    std::int64_t units = net.inputs();
    for (int l = 1; l <= net.depth(); ++l) units += 2 * std::int64_t{net.widths()[l]};
    const std::int64_t bytes = units * chunk_vectors * vector_bytes;
    if (bytes * vectors <= cache * chunk_vectors) return vectors;
    return chunk_vectors * static_cast<int>(std::max<std::int64_t>(1, cache / bytes));
}

// forward<1>, output_deltas and, if wanted, backward. Returns the sum of the losses if wanted.
template <bool want_loss, class T>
double propagate(const Network& net, Loss loss, const T* theta, const Panel<T>& panel, const T* weights,
                 Workspace<T>& ws, bool want_deltas = true) {
    Vec<T> total{};
    const int most = strip_vectors(net, panel.vectors);
    for (int first = 0; first < panel.vectors; first += most) {
        const Strip strip{first, std::min(first + most, panel.vectors)};
        forward<1>(net, theta, panel, ws, strip);
        total = total + output_deltas<want_loss>(net, loss, panel, weights, ws, strip);
        if (want_deltas) backward(net, theta, ws, strip);
    }
    return static_cast<double>(sum<T>(total));
}

// Whether the gradient of layer l is summed from the rows of the data.
template <class T>
bool sums_rows(const Layer& layer, int l, const Panel<T>& panel) {
    return l == 1 && panel.rows && inputs_fill_lanes<T>(layer.in + layer.bias);
}

// g += sum over the panel's samples of delta x^T for outputs of layer l, whose inputs are x; g is laid out as theta.
template <class T>
void accumulate_layer(const Network& net, int l, OutputRange of, const Panel<T>& panel, const T* delta, const T* x,
                      T* g) {
    const Layer& layer = net.layers()[l - 1];
    T* const weights = g + layer.weights;
    T* const biases = layer.bias ? g + layer.biases : nullptr;
    if (sums_rows(layer, l, panel)) {
        const PanelDelta<T> one[] = {{panel, delta}};
        panel_gradient_from_rows<T>(of, layer.out, layer.in, one, true, weights, biases);
    } else {
        panel_gradient(of, layer.out, layer.in, panel.vectors, delta, x, weights, biases);
    }
}
template <class T>
void accumulate_layer(const Network& net, int l, const Panel<T>& panel, const T* delta, const T* x, T* g) {
    accumulate_layer(net, l, OutputRange{0, net.widths()[l]}, panel, delta, x, g);
}

// After backward: the sum over the panel's samples of the squared norms of their gradients, delta x^T in every layer.
template <class T>
double squared_gradients(const Network& net, const Panel<T>& panel, const Workspace<T>& ws) {
    Vec<T> total{};
    for_each_chunk(panel.vectors, [&](int v0, int count) {
        const std::ptrdiff_t at = std::ptrdiff_t{v0} * lanes<T>;
        const auto squares = [&](const T* from, int units, int v) {
            const Vec<T>* values = as_vectors(from + at * units) + v;
            Vec<T> part{};
            for (int k = 0; k < units; ++k) part = fma(values[k * count], values[k * count], part);
            return part;
        };
        for (int l = 1; l <= net.depth(); ++l) {
            const Layer& layer = net.layers()[l - 1];
            for (int v = 0; v < count; ++v) {
                const Vec<T> input = squares(l == 1 ? panel.x : ws.a[l - 1], layer.in, v);
                total = fma(squares(ws.delta[l], layer.out, v), layer.bias ? input + set1<T>(1) : input, total);
            }
        }
    });
    return static_cast<double>(sum<T>(total));
}

template <class T>
void accumulate_gradient(const Network& net, const Panel<T>& panel, const Workspace<T>& ws, T* g) {
    for (int l = 1; l <= net.depth(); ++l)
        accumulate_layer(net, l, panel, ws.delta[l], l == 1 ? panel.x : ws.a[l - 1], g);
}

}  // namespace etaflow
