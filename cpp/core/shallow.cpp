#include "shallow.hpp"

namespace etaflow {

namespace {

// ---------------------------------------------------------------- forward

constexpr int few_inputs = 4;  // a chunk of them stays in registers

// One chunk of a layer with few inputs: z, and out = sum_j v_j phi(z_j). Even and odd j are summed apart, as
// chunk_product does for one output.
template <int inputs, int vectors, class T, class Functor>
void forward_few(Functor phi, int units, const T* w, const T* bias, const T* v, T v_bias, const T* x, T* z, T* out) {
    Vec<T> in[inputs][vectors], even[vectors], odd[vectors];
    unrolled<vectors>([&](auto u) __attribute__((always_inline)) {
        unrolled<inputs>([&](auto c)
                             __attribute__((always_inline)) { in[c][u] = load(x + (c * vectors + u) * lanes<T>); });
        even[u] = set1<T>(v_bias);
        odd[u] = Vec<T>{};
    });
    const auto add_unit = [&](int j, Vec<T>(&to)[vectors]) __attribute__((always_inline)) {
        const Vec<T> factor = set1<T>(v[j]), start = set1<T>(bias ? bias[j] : T(0));
        Vec<T> weight[inputs];
        unrolled<inputs>([&](auto c) __attribute__((always_inline)) { weight[c] = set1<T>(w[j * inputs + c]); });
        unrolled<vectors>([&](auto u) __attribute__((always_inline)) {
            Vec<T> sum = start;
            unrolled<inputs>([&](auto c) __attribute__((always_inline)) { sum = fma(weight[c], in[c][u], sum); });
            store(z + (j * vectors + u) * lanes<T>, sum);
            to[u] = fma(factor, phi(sum).a, to[u]);
        });
    };
    int j = 0;
    for (; j + 2 <= units; j += 2) {
        add_unit(j, even);
        add_unit(j + 1, odd);
    }
    if (j < units) add_unit(j, even);
    unrolled<vectors>([&](auto u) __attribute__((always_inline)) { store(out + u * lanes<T>, even[u] + odd[u]); });
}

// ---------------------------------------------------------------- what is kept of hidden units, and what it tells

// Each returns d phi'(z) for the vector `at` of its unit and adds d phi(z) to `sum`.

template <class T, class Functor>
struct KeptZ {  // of a piecewise linear phi
    Functor phi;
    const T* z;
    KeptZ from(std::ptrdiff_t at) const { return {phi, z + at}; }
    [[gnu::always_inline]] Vec<T> operator()(std::ptrdiff_t at, Vec<T> d, Vec<T>& sum) const {
        const Vec<T> here = load(z + at), error = phi.pull_back(here, d);
        sum = fma(error, here, sum);
        return error;
    }
};

template <class T, class Functor>
struct KeptValue {
    const T* a;
    KeptValue from(std::ptrdiff_t at) const { return {a + at}; }
    [[gnu::always_inline]] Vec<T> operator()(std::ptrdiff_t at, Vec<T> d, Vec<T>& sum) const {
        const Jet<T> jet = Functor::of_value(load(a + at));
        sum = fma(d, jet.a, sum);
        return d * jet.s;
    }
};

template <class T>
struct KeptBoth {
    const T *a, *s;
    KeptBoth from(std::ptrdiff_t at) const { return {a + at, s + at}; }
    [[gnu::always_inline]] Vec<T> operator()(std::ptrdiff_t at, Vec<T> d, Vec<T>& sum) const {
        sum = fma(d, load(a + at), sum);
        return d * load(s + at);
    }
};

// ---------------------------------------------------------------- gradient

#if ETAFLOW_VECTOR_BYTES == 64
constexpr int most_sums = 24;  // in registers
#else
constexpr int most_sums = 12;
#endif
constexpr int most_inputs = most_sums / 2 - 2;  // of a tile with two units

// Where the sums of hidden unit 0 go, and what they are multiplied with.
template <class T>
struct Unit {
    const T* v;
    T *weights, *bias, *v_gradient;  // the last two may be null
    std::ptrdiff_t stride;           // of weights, between units

    Unit from(int j) const {
        return {v + j, weights + j * stride, bias ? bias + j : nullptr, v_gradient ? v_gradient + j : nullptr, stride};
    }
};

// Hidden units [first, first + rows) and inputs [c0, c0 + cols).
template <int rows, int cols, class T, class Kept>
void gradient_tile(const Panel<T>& panel, int units, int first_unit, int inputs, int c0, Kept kept, const T* delta,
                   Unit<T> to) {
    constexpr int sums = cols + 2;
    Vec<T> acc[rows * sums];  // of one unit after the other: those of its inputs, of its error, of its value
    unrolled<rows * sums>([&](auto i) __attribute__((always_inline)) { acc[i] = Vec<T>{}; });
    for_each_constant_chunk(panel.vectors, [&](int first, auto count) __attribute__((always_inline)) {
        const std::ptrdiff_t row = std::ptrdiff_t{count} * lanes<T>, at = std::ptrdiff_t{first} * lanes<T>;
        const T *x = panel.x + at * inputs + c0 * row, *d = delta + at;
        const Kept here = kept.from(at * units + first_unit * row);
        for (int u = 0; u < count; ++u) {
            const std::ptrdiff_t lane = u * lanes<T>;
            const Vec<T> dv = load(d + lane);
            Vec<T> in[cols];
            unrolled<cols>([&](auto c) __attribute__((always_inline)) { in[c] = load(x + c * row + lane); });
            unrolled<rows>([&](auto r) __attribute__((always_inline)) {
                Vec<T>* const unit = acc + r * sums;
                const Vec<T> error = here(r * row + lane, dv, unit[cols + 1]);
                unrolled<cols>([&](auto c) __attribute__((always_inline)) { unit[c] = fma(error, in[c], unit[c]); });
                unit[cols] = unit[cols] + error;
            });
        }
    });
    for_each_sum<T>(acc, [&](auto i, T sum) __attribute__((always_inline)) {
        constexpr int r = i / sums, c = i % sums;
        if constexpr (c < cols) {
            to.weights[r * to.stride + c] += to.v[r] * sum;
        } else if constexpr (c == cols) {
            if (to.bias) to.bias[r] += to.v[r] * sum;
        } else {
            if (to.v_gradient) to.v_gradient[r] += sum;
        }
    });
}

template <class T, class Kept>
void add_gradient(const Network& net, const T* theta, const Panel<T>& panel, Kept kept, const T* delta, T* g) {
    const Layer &hidden = net.layers()[0], &last = net.layers()[1];
    for_each_piece(hidden.in, most_inputs, [&](int c0, int c_count) {
        with_constant<most_inputs>(c_count, [&](auto cols) {
            constexpr int rows = most_sums / (cols + 2);
            const bool all = c0 == 0;  // the sums that do not belong to an input
            const Unit<T> to{theta + last.weights, g + hidden.weights + c0,
                             all && hidden.bias ? g + hidden.biases : nullptr, all ? g + last.weights : nullptr,
                             hidden.in};
            int j = 0;
            const auto add_tiles = [&](auto units) {
                for (; j + units <= hidden.out; j += units)
                    gradient_tile<units, cols>(panel, hidden.out, j, hidden.in, c0, kept, delta, to.from(j));
            };
            add_tiles(std::integral_constant<int, rows>{});
            if constexpr (rows > 2) add_tiles(std::integral_constant<int, 2>{});
            add_tiles(std::integral_constant<int, 1>{});
        });
    });
    if (last.bias) {
        Vec<T> total{};
        for (int u = 0; u < panel.vectors; ++u) total = total + load(delta + u * lanes<T>);
        g[last.biases] += sum<T>(total);
    }
}

}  // namespace

template <class T>
double add_shallow_gradient(const Network& net, Loss loss, const T* theta, const Panel<T>& panel, const T* weights,
                            bool want_loss, Workspace<T>& ws, T* g) {
    const Layer &hidden = net.layers()[0], &last = net.layers()[1];
    const T* const bias = hidden.bias ? theta + hidden.biases : nullptr;
    const T* const v_bias = last.bias ? theta + last.biases : nullptr;
    const auto outputs = [&] {
        if (loss != Loss::log)  // which looks at z alone
            activate<1, T>(last.activation, panel.vectors, as_vectors(ws.z), as_vectors(ws.a[2]), as_vectors(ws.s[2]),
                           nullptr);
        return want_loss ? output_deltas<true>(net, loss, panel, weights, ws)
                         : output_deltas<false>(net, loss, panel, weights, ws);
    };
    double total = 0;
    with_functor<T>(hidden.activation, [&](auto phi) {
        using Functor = decltype(phi);
        constexpr bool is_linear = std::is_base_of_v<functor::PiecewiseLinear, Functor>;
        constexpr bool value_tells = requires(Vec<T> a) { Functor::of_value(a); };
        for_each_chunk(panel.vectors, [&](int first, int count) {
            const std::ptrdiff_t at = std::ptrdiff_t{first} * lanes<T>;
            const T* const x = panel.x + at * hidden.in;
            T *const a = ws.a[1] + at * hidden.out, *const s = ws.s[1] + at * hidden.out, *const z = ws.z + at;
            if (is_linear && hidden.in <= few_inputs) {
                if constexpr (is_linear)
                    with_constant<few_inputs>(hidden.in, [&](auto inputs) {
                        with_constant<chunk_vectors>(count, [&](auto vectors) {
                            forward_few<inputs, vectors>(phi, hidden.out, theta + hidden.weights, bias,
                                                         theta + last.weights, v_bias ? *v_bias : T(0), x, a, z);
                        });
                    });
                return;
            }
            chunk_product(hidden.out, hidden.in, count, weight_matrix(theta, hidden), bias, x, a);
            T* const values = is_linear ? s : a;
            activate<is_linear || value_tells ? 0 : 1, T>(hidden.activation, hidden.out * count, as_vectors(a),
                                                          as_vectors(values), as_vectors(s), nullptr);
            chunk_product(1, hidden.out, count, weight_matrix(theta, last), v_bias, values, z);
        });
        total = outputs();
        if (!g) return;
        const auto add = [&](auto kept) { add_gradient(net, theta, panel, kept, ws.delta[2], g); };
        if constexpr (is_linear)
            add(KeptZ<T, Functor>{phi, ws.a[1]});
        else if constexpr (value_tells)
            add(KeptValue<T, Functor>{ws.a[1]});
        else
            add(KeptBoth<T>{ws.a[1], ws.s[1]});
    });
    return total;
}

template double add_shallow_gradient(const Network&, Loss, const double*, const Panel<double>&, const double*, bool,
                                     Workspace<double>&, double*);
template double add_shallow_gradient(const Network&, Loss, const float*, const Panel<float>&, const float*, bool,
                                     Workspace<float>&, float*);

}  // namespace etaflow
