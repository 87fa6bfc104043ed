// Products over samples for the d x d matrices: c(r, k) = sum_i a_r(i) b_k(i), samples as lanes, in the panel layout.
//
// Sums stay one vector each over all panels and are collapsed to scalars once, at the end: with few samples that
// collapse would cost as much as the products.
#pragma once

#include <limits>

#include "buffer.hpp"
#include "panel.hpp"

namespace etaflow {

// Rows first, first + 1, … of a quantity that has `units` rows in a panel.
template <class T>
struct LaneRows {
    const T* data;
    int units;
    int first;
};

// f(first vector of the chunk, std::integral_constant of the vectors in the chunk): strides become constants.
template <class F>
[[gnu::always_inline]] inline void for_each_constant_chunk(int vectors, F f) {
    int v = 0;
    for (; v + chunk_vectors <= vectors; v += chunk_vectors) f(v, std::integral_constant<int, chunk_vectors>{});
    if (v < vectors) with_constant<chunk_vectors - 1>(vectors - v, [&](auto count) { f(v, count); });
}

namespace detail {

// sums[r * sums_stride + c] = (fresh ? 0 : itself) + the products of one panel, of rows r0 … of a with `cols` units b.
template <int rows, int cols, class T>
inline void lane_product_tile(int vectors, LaneRows<T> a, int r0, const T* b, Vec<T>* sums, std::ptrdiff_t sums_stride,
                              bool fresh) {
    Vec<T> acc[rows][cols];
    for (int r = 0; r < rows; ++r)
        for (int c = 0; c < cols; ++c) acc[r][c] = fresh ? Vec<T>{} : sums[r * sums_stride + c];
    for_each_chunk(vectors, [&](int v0, int count) {
        const std::ptrdiff_t row = std::ptrdiff_t{count} * lanes<T>;
        const T* ar = a.data + std::ptrdiff_t{v0} * a.units * lanes<T> + (a.first + r0) * row;
        const T* br = b + std::ptrdiff_t{v0} * cols * lanes<T>;
        for (int v = 0; v < count; ++v, ar += lanes<T>, br += lanes<T>) {
            Vec<T> in[cols];
            for (int c = 0; c < cols; ++c) in[c] = load(br + c * row);
            for (int r = 0; r < rows; ++r) {
                const Vec<T> left = load(ar + r * row);
                for (int c = 0; c < cols; ++c) acc[r][c] = fma(left, in[c], acc[r][c]);
            }
        }
    });
    for (int r = 0; r < rows; ++r)
        for (int c = 0; c < cols; ++c) sums[r * sums_stride + c] = acc[r][c];
}

}  // namespace detail

template <class T>
class LaneProduct {
  public:
    static constexpr int everything = std::numeric_limits<int>::max();

    void start(int rows, int cols) {
        rows_ = rows;
        cols_ = cols;
        fresh_ = true;
        const std::size_t total = (static_cast<std::size_t>(rows) * cols + lanes<T> - 1) / lanes<T> * lanes<T>;
        sums_ = reinterpret_cast<Vec<T>*>(ensure(sums_memory_, total * lanes<T>));
        ensure(result_, total);
    }

    // Adds one panel. make_columns(c, count, to) writes columns [c, c + count) of b as a quantity of `count` units;
    // they stay in the first-level cache while all rows of a pass by. With a `diagonal`, c(r, k) is needed only for r
    // <= k + diagonal; the rest is undefined.
    template <class F>
    void add(int vectors, LaneRows<T> a, F make_columns, int diagonal = everything) {
        T* const b = ensure(columns_, static_cast<std::size_t>(gradient_inputs) * vectors * lanes<T>);
        for_each_piece(cols_, gradient_inputs, [&](int c, int c_count) {
            const int rows = diagonal == everything ? rows_ : std::clamp(c + c_count + diagonal, 0, rows_);
            if (rows == 0) return;
            make_columns(c, c_count, b);
            with_constant<gradient_inputs>(c_count, [&](auto C) {
                for_each_piece(rows, gradient_outputs, [&](int r, int r_count) {
                    with_constant<gradient_outputs>(r_count, [&](auto R) {
                        detail::lane_product_tile<R, C>(vectors, a, r, b, sums_ + std::ptrdiff_t{r} * cols_ + c, cols_,
                                                        fresh_);
                    });
                });
            });
        });
        fresh_ = false;
    }

    // (rows, cols), row-major
    const T* finish() {
        const std::ptrdiff_t total = std::ptrdiff_t{rows_} * cols_;
        for (std::ptrdiff_t i = 0; i < total; i += lanes<T>) {
            Vec<T> square[lanes<T>];
            for (int j = 0; j < lanes<T>; ++j) square[j] = sums_[i + j];
            store(result_.data() + i, reduce<T>(square));
        }
        return result_.data();
    }

  private:
    int rows_ = 0, cols_ = 0;
    bool fresh_ = true;
    Vec<T>* sums_ = nullptr;
    Buffer<T> sums_memory_, columns_, result_;
};

}  // namespace etaflow
