// Batches of samples as SIMD lanes: the layout, and the three matrix products of backpropagation.
//
// A panel holds up to `panel_samples` samples. It is cut into chunks of `chunk_vectors` vectors of samples (the last
// chunk may be narrower). Within a chunk a quantity with `units` rows lies as [unit][vector of the chunk], so that a
// chunk of the input, and everything computed from it, stays in the first-level cache:
//
//   panel   | chunk 0: unit 0 v0 v1 v2 v3, unit 1 v0 v1 v2 v3, …  | chunk 1: unit 0 v0 v1 v2 v3, … | …
//
// Sizes depend on the number of samples alone, never on threads: sums over samples have one order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>

#include "simd.hpp"

namespace etaflow {

inline constexpr int chunk_vectors = 4;
inline constexpr int panel_samples = 256;

// Tiles that fit the registers: 32 of them with AVX-512, 16 before.
#if ETAFLOW_VECTOR_BYTES == 64
inline constexpr int tile_outputs = 5, tile_vectors = 4;         // forward and backward: 20 sums + 4 inputs
inline constexpr int gradient_outputs = 5, gradient_inputs = 5;  // gradient: 25 sums + 5 inputs
inline constexpr int product_rows = 8, product_vectors = 3;      // inputs as lanes: 24 sums + 3 inputs + 1 factor
inline constexpr int wide_rows = 5, wide_vectors = 5;            // the same: 25 sums + 5 inputs + 1 factor
#else
inline constexpr int tile_outputs = 5, tile_vectors = 2;
inline constexpr int gradient_outputs = 3, gradient_inputs = 3;
inline constexpr int product_rows = ETAFLOW_VECTOR_BYTES == 32 ? 4 : 3, product_vectors = 3;
inline constexpr int wide_rows = product_rows, wide_vectors = product_vectors;
#endif
inline constexpr int gradient_line = 8;  // inputs where there is one output: 8 sums, as many as the collapse takes in

template <class T>
struct Panel {
    int samples;  // real samples; the lanes beyond them hold zeros
    int vectors;  // ceil(samples / lanes)
    const T* x;   // inputs, panel layout
    const T* y;   // targets, panel layout

    // The same inputs as rows [x …, 1, …] (see Rows): sample i is row indices[i], or row i without indices. Null where
    // there are none, or too many to be read twice.
    const T* rows = nullptr;
    std::ptrdiff_t row_stride = 0;
    const std::int32_t* indices = nullptr;
    const T* row(int i) const { return rows + (indices ? indices[i] : i) * row_stride; }
};

// f(first vector of the chunk, vectors in the chunk)
template <class F>
inline void for_each_chunk(int vectors, F f) {
    for (int v = 0; v < vectors; v += chunk_vectors) f(v, std::min(chunk_vectors, vectors - v));
}

// The same, where the width of a whole chunk is an integral_constant: a stride the compiler knows.
template <class F>
[[gnu::always_inline]] inline void for_each_constant_chunk(int vectors, F f) {
    int v = 0;
    for (; v + chunk_vectors <= vectors; v += chunk_vectors) f(v, std::integral_constant<int, chunk_vectors>{});
    if (v < vectors) f(v, vectors - v);
}

// Splits `size` into pieces of at most `most`, as equal as possible: f(begin, count).
template <class F>
[[gnu::always_inline]] inline void for_each_piece(int size, int most, F f) {
    const int pieces = (size + most - 1) / most;
    int begin = 0;
    for (int p = 0; p < pieces; ++p) {
        const int count = (size - begin) / (pieces - p);
        f(begin, count);
        begin += count;
    }
}

// Calls f(std::integral_constant<int, n>) for 1 <= n <= most.
template <int most, class F>
[[gnu::always_inline]] inline void with_constant(int n, F f) {
    if constexpr (most > 1) {
        if (n < most) return with_constant<most - 1>(n, f);
    }
    f(std::integral_constant<int, most>{});
}

// A matrix in theta, read as (rows x cols) through strides, so that W and its transpose are one thing.
template <class T>
struct Matrix {
    const T* data;
    std::ptrdiff_t row_stride;
    std::ptrdiff_t col_stride;
};

// What the sums of a product start from, and what is done with them at last: finish(sum, where) stores them, `where`
// being the distance from the first one, and finish.from(first) does so for those from `first` on.
enum class Start { zero, bias, present };

template <class T>
struct Store {
    T* z;
    Store from(std::ptrdiff_t first) const { return {z + first}; }
    [[gnu::always_inline]] void operator()(Vec<T> sum, std::ptrdiff_t where) const { store(z + where, sum); }
};
template <class T>
struct StoreScaled {
    T* z;
    const T* scale;
    StoreScaled from(std::ptrdiff_t first) const { return {z + first, scale + first}; }
    [[gnu::always_inline]] void operator()(Vec<T> sum, std::ptrdiff_t where) const {
        store(z + where, sum * load(scale + where));
    }
};

namespace detail {

// A small tile sums even and odd inputs apart: fewer than eight sums cannot hide the latency of an addition.
template <int rows, int vectors, Start start, class T, class Finish>
inline void product_tile(int inner, Matrix<T> w, const T* bias, const T* x, const T* z, std::ptrdiff_t stride,
                         Finish finish) {
    // Where a tile takes in a whole chunk the stride is known, and every address is a constant away from one pointer.
    const std::ptrdiff_t row = tile_vectors >= chunk_vectors ? vectors * lanes<T> : stride;
    constexpr int parts = rows * vectors < 8 ? 2 : 1;
    Vec<T> acc[parts][rows][vectors];
    for (int r = 0; r < rows; ++r)
        for (int v = 0; v < vectors; ++v) {
            if constexpr (start == Start::zero) acc[0][r][v] = Vec<T>{};
            if constexpr (start == Start::bias) acc[0][r][v] = set1<T>(bias[r]);
            if constexpr (start == Start::present) acc[0][r][v] = load(z + r * row + v * lanes<T>);
            if constexpr (parts > 1) acc[1][r][v] = Vec<T>{};
        }
    const T* column = w.data;
    const auto add_input = [&](auto part) __attribute__((always_inline)) {  // a constant: the sums stay in registers
        Vec<T> in[vectors];
        for (int v = 0; v < vectors; ++v) in[v] = load(x + v * lanes<T>);
        for (int r = 0; r < rows; ++r) {
            const Vec<T> weight = set1<T>(column[r * w.row_stride]);
            for (int v = 0; v < vectors; ++v) acc[part][r][v] = fma(weight, in[v], acc[part][r][v]);
        }
        column += w.col_stride;
        x += row;
    };
    const std::integral_constant<int, 0> even;
    const std::integral_constant<int, parts - 1> odd;
    int i = 0;
    for (; i + parts <= inner; i += parts) {
        add_input(even);
        if constexpr (parts > 1) add_input(odd);
    }
    if constexpr (parts > 1) {
        if (i < inner) add_input(even);
    }
    for (int r = 0; r < rows; ++r)
        for (int v = 0; v < vectors; ++v) {
            Vec<T> sum = acc[0][r][v];
            if constexpr (parts > 1) sum = sum + acc[1][r][v];
            finish(sum, r * row + v * lanes<T>);
        }
}

// The last column may be that of the bias, whose input is 1: g_bias is then where its sums go.
template <int rows, int cols, bool bias, class T>
inline void gradient_tile(int vectors, const T* delta, int delta_units, int r0, const T* x, int x_units, int c0, T* g,
                          std::ptrdiff_t g_stride, T* g_bias) {
    constexpr int inputs = cols - bias;
    Vec<T> acc[rows * cols];
    unrolled<rows * cols>([&](auto i) __attribute__((always_inline)) { acc[i] = Vec<T>{}; });
    for_each_constant_chunk(vectors, [&](int first, auto count) __attribute__((always_inline)) {
        const std::ptrdiff_t row = std::ptrdiff_t{count} * lanes<T>;
        const T* d = delta + std::ptrdiff_t{first} * delta_units * lanes<T> + r0 * row;
        const T* a = x + std::ptrdiff_t{first} * x_units * lanes<T> + c0 * row;
        for (int v = 0; v < count; ++v) {
            Vec<T> in[cols];
            for (int c = 0; c < inputs; ++c) in[c] = load(a + c * row + v * lanes<T>);
            for (int r = 0; r < rows; ++r) {
                const Vec<T> dv = load(d + r * row + v * lanes<T>);
                Vec<T>* const sums = acc + r * cols;
                for (int c = 0; c < inputs; ++c) sums[c] = fma(dv, in[c], sums[c]);
                if constexpr (bias) sums[inputs] = sums[inputs] + dv;
            }
        }
    });
    for_each_sum<T>(acc, [&](auto i, T sum) __attribute__((always_inline)) {
        constexpr int r = i / cols, c = i % cols;
        T* const at = bias && c == inputs ? g_bias + r : g + r * g_stride + c;
        *at += sum;
    });
}

}  // namespace detail

// A panel of those whose gradients are summed, and the deltas of the layer in question.
template <class T>
struct PanelDelta {
    Panel<T> panel;
    const T* delta;
};

namespace detail {

// g[c0 + i] = sums[i], or += with `add`; the element after the last input is that of the bias, what follows it has no
// meaning.
template <class T>
inline void finish_row_piece(Vec<T> sums, bool add, int c0, int cols, T* g, T* g_bias) {
    if (c0 + lanes<T> <= cols) return store_unaligned(g + c0, add ? load_unaligned(g + c0) + sums : sums);
    const auto finish = [add](T& to, T sum) { to = add ? to + sum : sum; };
    for (int i = 0; i < lanes<T> && c0 + i < cols; ++i) finish(g[c0 + i], sums[i]);
    if (g_bias && c0 <= cols) finish(*g_bias, sums[cols - c0]);
}

template <int rows, int vectors, class T>
inline void row_gradient_tile(std::span<const PanelDelta<T>> panels, bool add, int delta_units, int r0, int c0,
                              int cols, T* g, T* g_bias) {
    Vec<T> acc[rows * vectors];
    unrolled<rows * vectors>([&](auto i) __attribute__((always_inline)) { acc[i] = Vec<T>{}; });
    for (const PanelDelta<T>& from : panels)
        for_each_constant_chunk(from.panel.vectors, [&](int first, auto count) __attribute__((always_inline)) {
            const std::ptrdiff_t row = std::ptrdiff_t{count} * lanes<T>;
            const T* d = from.delta + std::ptrdiff_t{first} * delta_units * lanes<T> + r0 * row;
            const int begin = first * lanes<T>, samples = std::min(count * lanes<T>, from.panel.samples - begin);
            for (int i = 0; i < samples; ++i) {
                const T* x = from.panel.row(begin + i) + c0;
                Vec<T> in[vectors];
                for (int v = 0; v < vectors; ++v) in[v] = load(x + v * lanes<T>);
                for (int r = 0; r < rows; ++r) {
                    const Vec<T> dv = set1<T>(d[r * row + i]);
                    for (int v = 0; v < vectors; ++v) acc[r * vectors + v] = fma(dv, in[v], acc[r * vectors + v]);
                }
            }
        });
    T* const to = g + std::ptrdiff_t{r0} * cols;
    if (c0 + vectors * lanes<T> <= cols)  // straight from the registers
        unrolled<rows * vectors>([&](auto i) __attribute__((always_inline)) {
            T* const at = to + i / vectors * std::ptrdiff_t{cols} + c0 + i % vectors * lanes<T>;
            store_unaligned(at, add ? load_unaligned(at) + acc[i] : acc[i]);
        });
    else
        for (int i = 0; i < rows * vectors; ++i) {
            const int r = i / vectors;
            finish_row_piece(acc[i], add, c0 + i % vectors * lanes<T>, cols, to + std::ptrdiff_t{r} * cols,
                             g_bias ? g_bias + r0 + r : nullptr);
        }
}

}  // namespace detail

// One chunk: the sums over i of w(r, i) x[i][:], started and finished as told; z (Start::present) and bias
// (Start::bias) may else be null.
template <Start start, class T, class Finish>
inline void chunk_product(int rows, int inner, int vectors, Matrix<T> w, const T* bias, const T* x, const T* z,
                          Finish finish) {
    const std::ptrdiff_t row = std::ptrdiff_t{vectors} * lanes<T>;
    for_each_piece(vectors, tile_vectors, [&](int v, int v_count) {
        with_constant<tile_vectors>(v_count, [&](auto V) {
            for_each_piece(rows, tile_outputs, [&](int r, int r_count) {
                with_constant<tile_outputs>(r_count, [&](auto R) {
                    const Matrix<T> tile{w.data + r * w.row_stride, w.row_stride, w.col_stride};
                    const std::ptrdiff_t at = r * row + v * lanes<T>;
                    detail::product_tile<R, V, start>(inner, tile, start == Start::bias ? bias + r : nullptr,
                                                      x + v * lanes<T>, start == Start::present ? z + at : nullptr, row,
                                                      finish.from(at));
                });
            });
        });
    });
}

// z[r][:] = sum_i w(r, i) x[i][:] + bias[r], or z += w x with `accumulate`; bias may be null.
template <bool accumulate = false, class T>
inline void chunk_product(int rows, int inner, int vectors, Matrix<T> w, const T* bias, const T* x, T* z) {
    constexpr Start without_bias = accumulate ? Start::present : Start::zero;
    if (bias)
        chunk_product<Start::bias>(rows, inner, vectors, w, bias, x, z, Store<T>{z});
    else
        chunk_product<without_bias>(rows, inner, vectors, w, bias, x, z, Store<T>{z});
}

// Outputs [first, first + count) of a layer.
struct OutputRange {
    int first, count;
};

// One panel: g(r, c) += sum over samples of delta[r] x[c] for the outputs r in `of`; delta has `rows` units, g is
// row-major with rows of `cols` elements; where g_bias is not null, g_bias[r] += sum of delta[r].
template <class T>
inline void panel_gradient(OutputRange of, int rows, int cols, int vectors, const T* delta, const T* x, T* g,
                           T* g_bias) {
    const bool bias = g_bias != nullptr;
    // A strip of inputs stays in the first-level cache while all deltas pass by.
    const auto tile = [&](int r, int c, auto R, auto C) {
        T* const to = g + std::ptrdiff_t{r} * cols + c;
        if (c + C > cols)
            detail::gradient_tile<R, C, true>(vectors, delta, rows, r, x, cols, c, to, cols, g_bias + r);
        else
            detail::gradient_tile<R, C, false, T>(vectors, delta, rows, r, x, cols, c, to, cols, nullptr);
    };
    if (of.count == 1) {
        for_each_piece(cols + bias, gradient_line, [&](int c, int count) {
            with_constant<gradient_line>(count,
                                         [&](auto C) { tile(of.first, c, std::integral_constant<int, 1>{}, C); });
        });
        return;
    }
    for_each_piece(cols + bias, gradient_inputs, [&](int c, int c_count) {
        with_constant<gradient_inputs>(c_count, [&](auto C) {
            for_each_piece(of.count, gradient_outputs, [&](int first, int r_count) {
                with_constant<gradient_outputs>(r_count, [&](auto R) { tile(of.first + first, c, R, C); });
            });
        });
    });
}

// Whether the inputs fill whole vectors well enough to make them the lanes.
template <class T>
inline bool inputs_fill_lanes(int cols) {
    const int padded = (cols + lanes<T> - 1) / lanes<T> * lanes<T>;
    return padded >= 4 * lanes<T> && 10 * cols >= 9 * padded;
}

// The same for the layer that reads the data, with inputs instead of samples in the lanes: nothing is left to sum up at
// the end, which pays off where panels are small compared with the weights. Takes in several panels, and overwrites g
// and g_bias unless told to `add`.
template <class T>
inline void panel_gradient_from_rows(OutputRange of, int rows, int cols, std::span<const PanelDelta<T>> panels,
                                     bool add, T* g, T* g_bias) {
    const int all = cols + (g_bias != nullptr);
    const auto in_tiles = [&](auto tile_rows, auto tile_vectors) {
        constexpr int most_rows = tile_rows, most_vectors = tile_vectors;
        for_each_piece((all + lanes<T> - 1) / lanes<T>, most_vectors, [&](int v, int v_count) {
            with_constant<most_vectors>(v_count, [&](auto V) {
                for_each_piece(of.count, most_rows, [&](int first, int r_count) {
                    with_constant<most_rows>(r_count, [&](auto R) {
                        detail::row_gradient_tile<R, V, T>(panels, add, rows, of.first + first, v * lanes<T>, cols, g,
                                                           g_bias);
                    });
                });
            });
        });
    };
    // The wide tile where it leaves no rest and the usual one does: ten outputs are common.
    if (of.count % wide_rows == 0 && of.count % product_rows != 0)
        in_tiles(std::integral_constant<int, wide_rows>{}, std::integral_constant<int, wide_vectors>{});
    else
        in_tiles(std::integral_constant<int, product_rows>{}, std::integral_constant<int, product_vectors>{});
}

}  // namespace etaflow
