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

#include "simd.hpp"

namespace etaflow {

inline constexpr int chunk_vectors = 4;
inline constexpr int panel_samples = 256;

// Tiles that fit the registers: 32 of them with AVX-512, 16 before.
#if ETAFLOW_VECTOR_BYTES == 64
inline constexpr int tile_outputs = 5, tile_vectors = 4;         // forward and backward: 20 sums + 4 inputs
inline constexpr int gradient_outputs = 5, gradient_inputs = 5;  // gradient: 25 sums + 5 inputs
#else
inline constexpr int tile_outputs = 5, tile_vectors = 2;
inline constexpr int gradient_outputs = 3, gradient_inputs = 3;
#endif

template <class T>
struct Panel {
    int samples;   // real samples; the lanes beyond them hold zeros
    int vectors;   // ceil(samples / lanes)
    const T* x;    // inputs, panel layout
    const T* y;    // targets, panel layout
};

// f(first vector of the chunk, vectors in the chunk)
template <class F>
inline void for_each_chunk(int vectors, F f) {
    for (int v = 0; v < vectors; v += chunk_vectors) f(v, std::min(chunk_vectors, vectors - v));
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

namespace detail {

template <int rows, int vectors, bool accumulate, class T>
inline void product_tile(int inner, Matrix<T> w, const T* bias, const T* x, T* z, std::ptrdiff_t row) {
    Vec<T> acc[rows][vectors];
    for (int r = 0; r < rows; ++r)
        for (int v = 0; v < vectors; ++v)
            acc[r][v] = accumulate ? load(z + r * row + v * lanes<T>) : bias ? set1<T>(bias[r]) : Vec<T>{};
    const T* column = w.data;
    for (int i = 0; i < inner; ++i) {
        Vec<T> in[vectors];
        for (int v = 0; v < vectors; ++v) in[v] = load(x + v * lanes<T>);
        for (int r = 0; r < rows; ++r) {
            const Vec<T> weight = set1<T>(column[r * w.row_stride]);
            for (int v = 0; v < vectors; ++v) acc[r][v] = fma(weight, in[v], acc[r][v]);
        }
        column += w.col_stride;
        x += row;
    }
    for (int r = 0; r < rows; ++r)
        for (int v = 0; v < vectors; ++v) store(z + r * row + v * lanes<T>, acc[r][v]);
}

template <int rows, int cols, class T>
inline void gradient_tile(int vectors, const T* delta, int delta_units, int r0, const T* x, int x_units, int c0, T* g,
                          std::ptrdiff_t g_stride) {
    Vec<T> acc[rows][cols];
    for (int r = 0; r < rows; ++r)
        for (int c = 0; c < cols; ++c) acc[r][c] = Vec<T>{};
    for_each_chunk(vectors, [&](int first, int count) {
        const std::ptrdiff_t row = std::ptrdiff_t{count} * lanes<T>;
        const T* d = delta + std::ptrdiff_t{first} * delta_units * lanes<T> + r0 * row;
        const T* a = x + std::ptrdiff_t{first} * x_units * lanes<T> + c0 * row;
        for (int v = 0; v < count; ++v) {
            Vec<T> in[cols];
            for (int c = 0; c < cols; ++c) in[c] = load(a + c * row + v * lanes<T>);
            for (int r = 0; r < rows; ++r) {
                const Vec<T> dv = load(d + r * row + v * lanes<T>);
                for (int c = 0; c < cols; ++c) acc[r][c] = fma(dv, in[c], acc[r][c]);
            }
        }
    });
    constexpr int total = rows * cols;
    for (int first = 0; first < total; first += lanes<T>) {
        Vec<T> square[lanes<T>];
        for (int i = 0; i < lanes<T>; ++i)
            square[i] = first + i < total ? acc[(first + i) / cols][(first + i) % cols] : Vec<T>{};
        const Vec<T> sums = reduce<T>(square);
        for (int i = 0; i < lanes<T> && first + i < total; ++i)
            g[((first + i) / cols) * g_stride + (first + i) % cols] += sums[i];
    }
}

}  // namespace detail

// One chunk: z[r][:] = sum_i w(r, i) x[i][:] + bias[r], or z += w x with `accumulate`. bias may be null.
template <bool accumulate = false, class T>
inline void chunk_product(int rows, int inner, int vectors, Matrix<T> w, const T* bias, const T* x, T* z) {
    const std::ptrdiff_t row = std::ptrdiff_t{vectors} * lanes<T>;
    for_each_piece(vectors, tile_vectors, [&](int v, int v_count) {
        with_constant<tile_vectors>(v_count, [&](auto V) {
            for_each_piece(rows, tile_outputs, [&](int r, int r_count) {
                with_constant<tile_outputs>(r_count, [&](auto R) {
                    const Matrix<T> tile{w.data + r * w.row_stride, w.row_stride, w.col_stride};
                    detail::product_tile<R, V, accumulate>(inner, tile, bias ? bias + r : nullptr, x + v * lanes<T>,
                                                           z + r * row + v * lanes<T>, row);
                });
            });
        });
    });
}

// One panel: g(r, c) += sum over samples of delta[r] x[c]; g is row-major with rows of `cols` elements.
template <class T>
inline void panel_gradient(int rows, int cols, int vectors, const T* delta, const T* x, T* g) {
    // A strip of inputs stays in the first-level cache while all deltas pass by.
    for_each_piece(cols, gradient_inputs, [&](int c, int c_count) {
        with_constant<gradient_inputs>(c_count, [&](auto C) {
            for_each_piece(rows, gradient_outputs, [&](int r, int r_count) {
                with_constant<gradient_outputs>(r_count, [&](auto R) {
                    detail::gradient_tile<R, C>(vectors, delta, rows, r, x, cols, c, g + std::ptrdiff_t{r} * cols + c,
                                                cols);
                });
            });
        });
    });
}

// One panel: g[r] += sum over samples of delta[r].
template <class T>
inline void panel_bias_gradient(int rows, int vectors, const T* delta, T* g) {
    for (int first = 0; first < rows; first += lanes<T>) {
        const int count = std::min(lanes<T>, rows - first);
        Vec<T> acc[lanes<T>] = {};
        for_each_chunk(vectors, [&](int v0, int chunk) {
            const T* d = delta + (std::ptrdiff_t{v0} * rows + std::ptrdiff_t{first} * chunk) * lanes<T>;
            for (int r = 0; r < count; ++r)
                for (int v = 0; v < chunk; ++v) acc[r] = acc[r] + load(d + (r * chunk + v) * lanes<T>);
        });
        const Vec<T> sums = reduce<T>(acc);
        for (int r = 0; r < count; ++r) g[first + r] += sums[r];
    }
}

}  // namespace etaflow
