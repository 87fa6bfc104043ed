// Products over samples for the d x d matrices: c(r, k) = sum_i a_r(i) b_k(i), from a row of a and one of b for every
// sample. Units k are the lanes, so that a tile of sums is what is wanted already: nothing is left to sum up at the
// end.
#pragma once

#include <limits>

#include "buffer.hpp"
#include "panel.hpp"
#include "sample_rows.hpp"

namespace etaflow {

// Columns of a strip, and samples of it that stay in the first-level cache while all rows pass by.
template <class T>
inline constexpr int product_cols = product_vectors * lanes<T>;
inline constexpr int product_samples = 64;

namespace detail {

// sums(r, vector v) = (fresh ? 0 : itself) + sum_i a_r(i) b_v(i)
template <int rows, int vectors, class T>
inline void row_product_tile(int samples, SampleRows<const T> a, SampleRows<const T> b, T* sums, std::ptrdiff_t stride,
                             bool fresh) {
    Vec<T> acc[rows][vectors];
    for (int r = 0; r < rows; ++r)
        for (int v = 0; v < vectors; ++v) acc[r][v] = fresh ? Vec<T>{} : load(sums + r * stride + v * lanes<T>);
    const T *left = a.data, *right = b.data;
    for (int i = 0; i < samples; ++i, left += a.stride, right += b.stride) {
        Vec<T> in[vectors];
        for (int v = 0; v < vectors; ++v) in[v] = load(right + v * lanes<T>);
        for (int r = 0; r < rows; ++r) {
            const Vec<T> factor = set1<T>(left[r]);
            for (int v = 0; v < vectors; ++v) acc[r][v] = fma(factor, in[v], acc[r][v]);
        }
    }
    for (int r = 0; r < rows; ++r)
        for (int v = 0; v < vectors; ++v) store(sums + r * stride + v * lanes<T>, acc[r][v]);
}

}  // namespace detail

template <class T>
class RowProduct {
  public:
    static constexpr int everything = std::numeric_limits<int>::max();

    void start(int rows, int cols) {
        rows_ = rows;
        cols_ = cols;
        stride_ = padded_to_lanes<T>(cols);
        fresh_ = true;
        ensure(sums_, static_cast<std::size_t>(rows) * stride_);
    }

    // Adds up to product_samples samples. rows(r) are the samples' a_r, a_{r+1}, … for multiples r of product_rows;
    // columns(c, count, to) their b_c, …, b_{c + count - 1} for multiples c of product_cols, as whole vectors: in `to`,
    // where a vector may be written beyond them, or elsewhere. With a `diagonal`, c(r, k) is needed only for r <= k +
    // diagonal; the rest is undefined.
    template <class A, class B>
    void add(int samples, A rows, B columns, int diagonal = everything) {
        constexpr std::ptrdiff_t width = product_cols<T> + 2 * lanes<T>;
        const SampleRows<T> strip{ensure(strip_, std::size_t{product_samples} * width), width};
        for (int c = 0; c < cols_; c += product_cols<T>) {
            const int count = std::min(product_cols<T>, cols_ - c), vectors = (count + lanes<T> - 1) / lanes<T>;
            const SampleRows<const T> b = columns(c, count, strip);
            for (int r = 0; r < rows_; r += product_rows) {
                const int before = diagonal == everything ? 0 : std::max(0, (r - diagonal - c) / lanes<T>);
                if (before >= vectors) break;
                const SampleRows<const T> from{b.data + before * lanes<T>, b.stride};
                T* const sums = sums_.data() + r * stride_ + c + before * lanes<T>;
                with_constant<product_vectors>(vectors - before, [&](auto V) {
                    with_constant<product_rows>(std::min(product_rows, rows_ - r), [&](auto R) {
                        detail::row_product_tile<R, V, T>(samples, rows(r), from, sums, stride_, fresh_);
                    });
                });
            }
        }
        fresh_ = false;
    }

    // c(r, k) is row(r)[k].
    SampleRows<const T> sums() const { return {sums_.data(), stride_}; }

  private:
    int rows_ = 0, cols_ = 0;
    std::ptrdiff_t stride_ = 0;
    bool fresh_ = true;
    Buffer<T> sums_, strip_;
};

}  // namespace etaflow
